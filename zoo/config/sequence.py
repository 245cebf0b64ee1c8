"""What architectures over sequences have in common."""

from collections.abc import Set as AbstractSet
from typing import ClassVar, Self

from pydantic import PositiveInt, model_validator

from zoo.config.model import ModelConfig


class SequenceConfig(ModelConfig):
    """A model over sequences: token ids (steps,) where `vocabulary_size` is given, else vectors (steps, features)."""

    free_axes: ClassVar[AbstractSet[int]] = frozenset({0})

    vocabulary_size: PositiveInt | None = None
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

    def backbone_dtype(self) -> str:
        """Return `int32` for token ids, `float32` for feature vectors."""
        return "int32" if self.vocabulary_size else "float32"

    def takes_sequence(self) -> bool:
        """Tell whether the backbone sees a sequence (and not, say, an image that it cuts into one)."""
        return True

    def masks_padding(self) -> bool:
        """Tell whether steps that are 0 are padding."""
        return self.vocabulary_size is not None if self.mask_zero is None else self.mask_zero
