"""What a person chooses of a transformer."""

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo.config import INPUT_NAME, ActivationConfig, SequenceConfig, Size, Spec

DECODER_INPUT = "decoder_inputs"
"""What the second input of a seq2seq transformer is called."""
GENERATES = {"causal", "seq2seq"}
"""Variants that answer for every step what comes next."""


class TransformerConfig(SequenceConfig):
    """A transformer (Vaswani et al., 2017): blocks of attention and feed-forward layers.

    Penalties and constraints are on every kernel of its linear layers; embeddings and normalizations have none. Dropout is
    on the embeddings and on what every branch adds.
    """

    belongs_to: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "pooling": ("encoder", "vision"),
        "patch_size": ("vision",),
        "target_vocabulary_size": ("seq2seq",),
        "target_length": ("seq2seq",),
        "num_decoder_layers": ("seq2seq",),
        "vocabulary_size": ("encoder", "causal", "seq2seq"),
        "mask_zero": ("encoder", "causal", "seq2seq"),
        "max_length": ("encoder", "causal", "seq2seq"),
    }
    """Fields that some variants alone have, and which."""

    architecture: Literal["transformer"]
    variant: Literal["encoder", "vision", "causal", "seq2seq"] = "encoder"
    """`encoder`: a sequence -> features; `vision`: an image, cut into patches; `causal`: a language model, whose steps see
    those before them; `seq2seq`: an encoder, and a decoder that looks at it."""
    activation: ActivationConfig = ActivationConfig.model_construct(kind="gelu")
    """What is between the two layers of every feed-forward network."""
    num_layers: Size = 4
    """How many blocks, one after the other; of seq2seq, in the encoder."""
    num_decoder_layers: Size | None = None
    """How many blocks the decoder of seq2seq has; null: as many as the encoder."""
    num_heads: Size = 4
    """How many heads share hidden_dim in each attention."""
    hidden_dim: Size = 128
    """Features of a step between blocks."""
    intermediate_dim: Size | None = None
    """Features within a feed-forward network; null: 4 x hidden_dim."""
    position: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal"
    """How a step knows its place: sines added to it, a learned table added to it, or rotations (Su et al., 2021)."""
    max_length: Size | None = None
    """The most steps that learned positions, and what generates, have room for; null: the length in input_shape."""
    norm_first: bool = True
    """Whether normalization comes before each branch (Xiong et al., 2020) or, as in the first paper, after its addition."""
    pooling: Literal["mean", "cls", "none"] = "mean"
    """How the steps of an encoder, or patches, become one vector: their mean, a learned first step, or not at all."""
    patch_size: Size | None = None
    """Side, in pixels, of the squares that a vision transformer cuts an image into (Dosovitskiy et al., 2020)."""
    target_vocabulary_size: Size | None = None
    """How many token ids the decoder of seq2seq takes and answers with; null: as many as the encoder, vocabulary_size."""
    target_length: Size | None = None
    """How many steps the decoder of seq2seq has; null: as many as input_shape says."""

    @model_validator(mode="after")
    def _fields_belong_to_the_variant(self) -> Self:
        for field, variants in self.belongs_to.items():
            value = getattr(self, field)
            if self.variant not in variants and value != type(self).model_fields[field].default:
                raise ValueError(
                    f"{field} belongs to variant {' and '.join(variants)}, got {value!r} with variant {self.variant}: "
                    "leave it out"
                )
        return self

    @model_validator(mode="after")
    def _widths_divide(self) -> Self:
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"num_heads {self.num_heads} does not divide hidden_dim {self.hidden_dim}: choose one of "
                f"{', '.join(map(str, _divisors_near(self.num_heads, self.hidden_dim)))}"
            )
        head_dim = self.hidden_dim // self.num_heads
        if self.position == "rotary" and head_dim % 2:
            raise ValueError(
                f"position 'rotary' turns pairs of features, but a head has hidden_dim / num_heads = {head_dim}, which is "
                "odd: choose another num_heads or hidden_dim"
            )
        return self

    @model_validator(mode="after")
    def _normalizes_steps_alone(self) -> Self:
        kind = self.regularization.normalization
        if kind in {"batch", "group"}:
            raise ValueError(
                f"regularization.normalization {kind!r} would mix the steps of a sequence, padding and what is yet to come "
                "included: a transformer takes 'layer' (null means that too) or 'rms'"
            )
        return self

    @model_validator(mode="after")
    def _patches_tile_the_image(self) -> Self:
        if self.variant != "vision":
            return self
        shape, side = self.backbone_shape(), self.patch_size
        if len(shape) != 3 or None in shape:
            raise ValueError(
                f"input_shape of a vision transformer is (height, width, channels), all fixed, got {list(shape)}"
            )
        if side is None:
            raise ValueError("patch_size: is required with variant vision, such as 4; it must divide height and width")
        if shape[0] % side or shape[1] % side:  # type: ignore[operator]  # None was refused
            raise ValueError(f"patch_size {side} does not divide the height and width of the image, {list(shape[:2])}")
        return self

    @model_validator(mode="after")
    def _tokens_are_known(self) -> Self:
        if self.variant == "causal" and self.vocabulary_size is None:
            raise ValueError("vocabulary_size: is required with variant causal, which reads and writes token ids")
        if self.variant == "seq2seq" and not self.target_vocabulary():
            raise ValueError(
                "vocabulary_size, or target_vocabulary_size for a source of vectors, is required with seq2seq"
            )
        if self.variant in GENERATES:
            wanted = self.target_vocabulary()
            for name, head in self.named_heads().items():
                if head.kind == "token" and head.units != wanted:
                    raise ValueError(
                        f"{f'heads.{name}' if name else 'head'}: a token head of a {self.variant} transformer has a unit "
                        f"for every id of the vocabulary, {wanted}, got {head.units}: set units to {wanted}"
                    )
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if self.variant == "vision":
            return self
        lengths = {"input_shape": self.backbone_shape()[0]}
        if self.variant == "seq2seq":
            lengths["target_length"] = self.decoder_length()
        if self.max_length is not None:
            for field, length in lengths.items():
                if length is not None and length > self.max_length:
                    raise ValueError(f"max_length {self.max_length} is less than the {length} steps of {field}")
        elif None in lengths.values() and (self.position == "learned" or self.variant in GENERATES):
            why = "position 'learned' needs" if self.position == "learned" else f"variant {self.variant} needs"
            raise ValueError(f"{why} max_length, the most steps there will be, where the number of steps is left free")
        return self

    def feed_forward_dim(self) -> int:
        """Return the width within feed-forward networks."""
        return self.intermediate_dim or 4 * self.hidden_dim

    def target_vocabulary(self) -> int | None:
        """Return how many token ids a causal model, or a decoder, takes and gives."""
        return self.target_vocabulary_size or self.vocabulary_size

    def decoder_length(self) -> int | None:
        """Return how many steps the decoder of seq2seq has; None is any number."""
        return self.target_length or self.backbone_shape()[0]

    def capacity(self) -> int | None:
        """Return the most steps that the model has room for; None where nothing limits them."""
        if self.variant == "vision":
            return self.steps_of_image()
        if self.max_length is not None:
            return self.max_length
        return self.backbone_shape()[0]

    def decoder_capacity(self) -> int | None:
        """Return the most steps that the decoder of seq2seq has room for."""
        return self.max_length or self.decoder_length()

    def steps_of_image(self) -> int:
        """Return the number of patches of an image; 0 where there are none."""
        height, width = (size or 0 for size in self.backbone_shape()[:2])
        return (height // self.patch_size) * (width // self.patch_size) if self.patch_size else 0

    def takes_sequence(self) -> bool:
        """Tell whether the input is a sequence, not an image."""
        return self.variant != "vision"

    def gives_sequence(self) -> bool:
        """Tell whether there are features for every step."""
        return self.variant in GENERATES or self.pooling == "none"

    def steps(self) -> int | None:
        """Return how many steps the features have."""
        if not self.gives_sequence():
            return None
        if self.variant == "vision":
            return self.steps_of_image()
        return self.decoder_length() if self.variant == "seq2seq" else self.backbone_shape()[0]

    def input_specs(self) -> dict[str, Spec]:
        """Return what a client sends: `inputs`, and to seq2seq the target ids so far, `decoder_inputs`."""
        specs = super().input_specs()
        if self.variant == "seq2seq":
            specs = {INPUT_NAME: specs[INPUT_NAME], DECODER_INPUT: Spec((self.decoder_length(),), "int32")}
        return specs

    def activated(self) -> tuple[tuple[ActivationConfig, int], ...]:
        """Return the activation within feed-forward networks."""
        return ((self.activation, self.feed_forward_dim()),)

    def regularizers(self) -> AbstractSet[str]:
        """Return that there are residual branches."""
        return frozenset({"stochastic_depth"})


def _divisors_near(wanted: int, number: int) -> list[int]:
    """Return the (at most) five divisors of a number that are nearest to the wanted one, sorted."""
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    divisors = {*small, *(number // n for n in small)}
    return sorted(sorted(divisors, key=lambda divisor: (abs(divisor - wanted), divisor))[:5])
