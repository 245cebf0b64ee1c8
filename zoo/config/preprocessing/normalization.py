"""Every feature around 0, with a standard deviation of 1."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, model_validator

from zoo.config.base import FITS_FLOAT32, Float32, Listed
from zoo.config.preprocessing.step import StepConfig
from zoo.config.spec import Shape, Spec


class NormalizationConfig(StepConfig):
    """`(x - mean) / standard deviation`; where a feature is always the same, its mean is only subtracted."""

    kind: Literal["normalization"]
    per: Literal["feature", "element", "all"] = "feature"
    """What has a mean of its own: each entry of the last axis (column, channel), each element of an example, or nothing."""
    mean: Annotated[tuple[Float32, ...], Field(min_length=1), Listed] | None = None
    """Row by row; null adapts it to the training data."""
    variance: Annotated[tuple[Annotated[NonNegativeFloat, FITS_FLOAT32], ...], Field(min_length=1), Listed] | None = (
        None
    )
    """To be given with `mean`."""

    @model_validator(mode="after")
    def _mean_and_variance_go_together(self) -> Self:
        if (self.mean is None) != (self.variance is None):
            raise ValueError("give mean and variance, or neither: then both are adapted to the training data")
        if self.mean is not None and self.variance is not None and len(self.mean) != len(self.variance):
            raise ValueError(f"mean has {len(self.mean)} numbers, variance has {len(self.variance)}: give as many")
        return self

    def output(self, spec: Spec) -> Spec:
        """Return the same spec. Raises ValueError where there are no such features, or another number of them."""
        self.refuse_unless_numbers(spec)
        shape = self._statistics(spec.shape)
        sizes = [size for size in shape if size is not None]
        if len(sizes) < len(shape):
            raise ValueError(f"normalization per {self.per} takes a fixed number of features, got {spec}")
        if self.mean is not None and math.prod(sizes) != len(self.mean):
            raise ValueError(f"mean has {len(self.mean)} numbers, but {spec} has {math.prod(sizes)} per {self.per}")
        return spec

    def needs_adapting(self) -> bool:
        """Tell whether mean and variance are to be found in the data."""
        return self.mean is None

    def _statistics(self, shape: Shape) -> Shape:
        return {"feature": shape[-1:] or (None,), "element": shape, "all": ()}[self.per]
