"""What keeps a model from memorising."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, model_validator

from zoo.config.base import Config, Renamed, Size
from zoo.config.constraint import ConstraintConfig

Fraction = Annotated[float, Field(ge=0, lt=1)]

NEEDS = {
    "spatial_dropout": "feature maps, which a cnn has, or channels of a sequence, which lstm and gru read",
    "recurrent_dropout": "recurrent steps, which lstm and gru have",
    "stochastic_depth": "residual branches, which transformers and residual blocks have",
}
"""What there has to be for a regularizer to act on."""


class RegularizationConfig(Config):
    """What keeps a model from memorising; all of it off by default."""

    renamed: ClassVar[Mapping[str, Renamed]] = {
        "batch_norm": ("normalization", lambda on: ("batch" if on else None) if isinstance(on, bool) else on)
    }

    l1: NonNegativeFloat = 0.0
    """Penalty per absolute kernel weight, added to the loss."""
    l2: NonNegativeFloat = 0.0
    """Penalty per squared kernel weight, added to the loss."""
    orthogonal: NonNegativeFloat = 0.0
    """Penalty on the mean absolute cosine between the weights of two units, added to the loss."""
    dropout: Fraction = 0.0
    """Fraction of features zeroed in training (Srivastava et al., 2014). With normalization `batch` it comes after one
    normalization and before the next, whose running variances are then too large for evaluation (Li et al., 2018): see that
    validation keeps up with training, or choose `group` or `layer`."""
    spatial_dropout: Fraction = 0.0
    """Fraction of whole feature maps zeroed in training (Tompson et al., 2015): after each convolution, or of what recurrent
    layers read. Before a batch normalization it shifts variances as `dropout` does."""
    recurrent_dropout: Fraction = 0.0
    """Fraction of the recurrent state zeroed in training, the same at every step (Gal and Ghahramani, 2016)."""
    stochastic_depth: Fraction = 0.0
    """Chance that the last residual branch is skipped in training, falling towards the first (Huang et al., 2016)."""
    gaussian_noise: NonNegativeFloat = 0.0
    """Standard deviation of noise added in training to what the backbone sees."""
    normalization: Literal["batch", "layer", "group", "rms"] | None = None
    """Before each activation, or on what a recurrent layer gives: batch (Ioffe and Szegedy, 2015; synchronised across
    replicas), layer (Ba et al., 2016), group (Wu and He, 2018) or root mean square (Zhang and Sennrich, 2019)."""
    groups: Size | None = None
    """Of group normalization: how many groups the channels form; 8 where not given."""
    constraint: ConstraintConfig | None = None
    """On the incoming weights of every hidden unit: `max_norm`, `unit_norm`, ..."""

    @model_validator(mode="after")
    def _groups_have_a_use(self) -> Self:
        if self.groups is not None and self.normalization != "group":
            raise ValueError(f"groups belongs to normalization 'group', got normalization {self.normalization!r}")
        return self
