"""How images change from epoch to epoch."""

from typing import Annotated, Literal, Self

from pydantic import Field
from pydantic import model_validator as validator

from zoo.config import Config
from zoo.config.base import Size

Share = Annotated[float, Field(ge=0, lt=1)]


class AugmentationConfig(Config):
    """Random changes to the images of a training batch, each row its own: which depends on seed, step and row alone.

    Images are (rows, height, width, channels); their dtype stays.
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    """Mirror half of the images."""
    shift: Share = 0.0
    """Move by up to this share of height and width, in both directions."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Turn by up to so many degrees, either way."""
    zoom: Share = 0.0
    """Scale by a factor between 1 - zoom and 1 + zoom."""
    fill: Literal["reflect", "edge", "zero"] = "edge"
    """What comes in from outside where an image was moved, turned or made smaller."""
    brightness: Share = 0.0
    """Multiply by a factor between 1 - brightness and 1 + brightness."""
    contrast: Share = 0.0
    """Stretch about the image's mean by a factor between 1 - contrast and 1 + contrast."""
    cutout: Size | None = None
    """Blank a square of so many pixels (its middle anywhere in the image) with 0 (DeVries and Taylor, 2017)."""

    @validator(mode="after")
    def _does_something(self) -> Self:
        fields = type(self).model_fields
        if all(getattr(self, name) == field.default for name, field in fields.items() if name != "fill"):
            raise ValueError(f"nothing is changed: set {', '.join(name for name in fields if name != 'fill')}")
        return self

    @property
    def moves(self) -> bool:
        """Tell whether pixels leave their place other than by mirroring."""
        return bool(self.shift or self.rotate or self.zoom)
