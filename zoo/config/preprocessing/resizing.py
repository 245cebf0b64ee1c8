"""Images of one size."""

from typing import Literal, Self

from pydantic import model_validator

from zoo.config.base import Size
from zoo.config.preprocessing.step import StepConfig
from zoo.config.spec import Spec


class ResizingConfig(StepConfig):
    """Images of any size (null height and width in `input_shape`) become images of one size."""

    kind: Literal["resizing"]
    height: Size
    """Of what comes out, in pixels."""
    width: Size
    """Of what comes out, in pixels."""
    interpolation: Literal["bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"] = "bilinear"
    """How new pixels follow from old ones."""
    antialias: bool = False
    """Whether shrinking averages over all pixels that become one, so that fine patterns do not flicker."""
    crop_to_aspect_ratio: bool = False
    """Whether the middle is cut out where the proportions differ, rather than the image stretched."""
    pad_to_aspect_ratio: bool = False
    """Whether borders of 0 are added where the proportions differ, rather than the image stretched."""

    @model_validator(mode="after")
    def _crops_or_pads(self) -> Self:
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other: choose one")
        return self

    def output(self, spec: Spec) -> Spec:
        """Return (height, width, channels). Raises ValueError where these are no images."""
        self.refuse_unless_numbers(spec)
        if len(spec.shape) != 3:
            raise ValueError(f"resizing takes images (height, width, channels), got {spec}")
        return Spec((self.height, self.width, spec.shape[2]), spec.dtype)
