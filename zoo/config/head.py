"""What a model answers."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, StringConstraints, model_validator

from zoo.config.base import FITS_FLOAT32, Config, Float32, Size

HeadName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class HeadConfig(Config):
    """What a model answers: probabilities of classes or of tokens, or values.

    On features of a sequence, every head answers for every step.
    """

    kind: Literal["sigmoid", "softmax", "linear", "token"]
    """`sigmoid`: two classes with one unit, independent labels with more; `softmax`: one class of several; `linear`: values;
    `token`: which token comes at each step of a sequence, 0 being padding that does not count."""
    units: Size = 1
    """How many labels, classes, values, or tokens in the vocabulary."""
    loss_weight: PositiveFloat = 1.0
    """What its loss counts for in the sum over several heads."""
    offset: Float32 = 0.0
    """Of kind linear: what values are around, such as the mean of the labels, so that learning starts there."""
    scale: Annotated[float, Field(gt=0), FITS_FLOAT32] = 1.0
    """Of kind linear: how far they are from it, such as the labels' standard deviation. Answers keep the labels' units."""

    @model_validator(mode="after")
    def _one_of_several(self) -> Self:
        if self.kind in {"softmax", "token"} and self.units < 2:
            instead = "or kind 'sigmoid' for two classes" if self.kind == "softmax" else "the size of the vocabulary"
            raise ValueError(f"a softmax over {self.units} unit is always 1: give units >= 2, {instead}")
        return self

    @model_validator(mode="after")
    def _only_values_have_units(self) -> Self:
        for field, default in (("offset", 0.0), ("scale", 1.0)):
            if self.kind != "linear" and getattr(self, field) != default:
                raise ValueError(
                    f"{field} belongs to kind 'linear', whose answers have units, got kind {self.kind!r}: leave it out"
                )
        return self
