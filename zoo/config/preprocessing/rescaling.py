"""Another range of values."""

from typing import Literal

from zoo.config.base import Float32
from zoo.config.preprocessing.step import StepConfig
from zoo.config.spec import Spec


class RescalingConfig(StepConfig):
    """`x * scale + offset`, inside the model: pixels 0..255 become 0..1 with scale 1/255."""

    kind: Literal["rescaling"]
    scale: Float32
    """What every value is multiplied by."""
    offset: Float32 = 0.0
    """What is added then."""

    def output(self, spec: Spec) -> Spec:
        """Return the same spec: only values change. Raises ValueError where these are no numbers."""
        self.refuse_unless_numbers(spec)
        return spec

    def keeps_zeros(self) -> bool:
        """Tell whether nothing is added."""
        return self.offset == 0
