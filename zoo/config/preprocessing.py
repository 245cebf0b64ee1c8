"""Steps between what a client sends and what a backbone sees; each tells what it makes of a spec."""

from typing import Annotated, Literal

from zoo.config.base import Config, Listed
from zoo.config.spec import Spec


class StepConfig(Config):
    """Base of the preprocessing steps."""

    def input_dtype(self) -> str:
        """Return the dtype that a client sends where this step comes first."""
        return "float32"

    def output(self, spec: Spec) -> Spec:
        """Return what comes out where `spec` goes in.

        Raises:
            ValueError: the step cannot take that; the message says what it takes.
        """
        raise NotImplementedError


class RescalingConfig(StepConfig):
    """`x * scale + offset`, inside the model: pixels 0..255 become 0..1 with scale 1/255."""

    kind: Literal["rescaling"]
    scale: float
    """What every value is multiplied by."""
    offset: float = 0.0
    """What is added then."""

    def output(self, spec: Spec) -> Spec:
        """Return the same spec: only values change. Raises ValueError where these are no numbers."""
        if spec.dtype != "float32":
            raise ValueError(f"rescaling takes float32, got {spec}: put it before what makes tokens")
        return spec


PreprocessingConfig = RescalingConfig
Preprocessing = Annotated[tuple[PreprocessingConfig, ...], Listed]
