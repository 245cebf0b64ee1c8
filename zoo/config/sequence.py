"""What architectures over sequences have in common."""

from collections.abc import Set as AbstractSet
from typing import Self

from pydantic import model_validator

from zoo.config.base import Size
from zoo.config.model import INPUT_NAME, ModelConfig
from zoo.config.preprocessing import LookupConfig


class SequenceConfig(ModelConfig):
    """A model over sequences: token ids (steps,) where `vocabulary_size` is given, else vectors (steps, features)."""

    vocabulary_size: Size | None = None
    """How many token ids there are, 0 to vocabulary_size - 1; null takes feature vectors."""
    mask_zero: bool | None = None
    """Whether steps of token 0, or of features that all are 0, are padding and do not count; null: of token ids, yes."""

    @model_validator(mode="after")
    def _is_a_sequence(self) -> Self:
        if self.takes_sequence():
            rank = 1 if self.vocabulary_size else 2
            shape = self.backbone_shape()
            if len(shape) != rank:
                wanted = (
                    "(steps,) of token ids" if rank == 1 else "(steps, features); set vocabulary_size for token ids"
                )
                raise ValueError(f"input_shape of this {self.architecture} is {wanted}, got {shape}")
        return self

    @model_validator(mode="after")
    def _preprocessing_gives_ids_and_padding(self) -> Self:
        spec, padded = self.input_specs()[INPUT_NAME], self.vocabulary_size is None and self.masks_padding()
        for number, step in enumerate(self.preprocessing):
            ids = step.ids(spec)
            if ids is not None and ids > (self.vocabulary_size or ids):
                raise ValueError(
                    f"preprocessing.{number} gives {ids} ids, but vocabulary_size is {self.vocabulary_size}: set it to {ids}"
                )
            if padded and not step.keeps_zeros():
                raise ValueError(
                    f"mask_zero tells padding by its zeros, which preprocessing.{number} ({step.kind}) does not keep: "
                    "leave one of them out"
                )
            spec = step.output(spec)
        return self

    def backbone_dtype(self) -> str:
        """Return `int32` for token ids, `float32` for feature vectors."""
        return "int32" if self.vocabulary_size else "float32"

    def free_axes(self) -> AbstractSet[int]:
        """Return that there may be any number of steps."""
        return frozenset({0})

    def takes_sequence(self) -> bool:
        """Tell whether the backbone sees a sequence (and not, say, an image that it cuts into one)."""
        return True

    def masks_padding(self) -> bool:
        """Tell whether steps that are 0 are padding: of token ids, unless they are categories, whose 0 is one of them."""
        if self.mask_zero is not None:
            return self.mask_zero
        return self.vocabulary_size is not None and not self._has_categories()

    def _has_categories(self) -> bool:
        return any(isinstance(step, LookupConfig) for step in self.preprocessing)

    @model_validator(mode="after")
    def _categories_are_no_padding(self) -> Self:
        if self.mask_zero and self._has_categories():
            raise ValueError("mask_zero: what lookup gives has no padding, 0 is a category: leave it out")
        return self
