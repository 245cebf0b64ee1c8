"""LSTM and GRU: sequences read step by step, with a state that remembers.

Layers are found again by name to step (`zoo.streaming`): `embedding`, `lstm_1`, `lstm_1_norm`, ..., `pool`.
"""

from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal, Self

import keras
from pydantic import Field, model_validator

from zoo.activations import PRELU, activation_function
from zoo.blocks import bias_options, kernel_options
from zoo.config import ActivationConfig, RegularizationConfig, SequenceConfig, Size, Sizes
from zoo.config.model import DEFAULT_GROUPS
from zoo.layers.attention_pooling import AttentionPooling
from zoo.layers.masked_mean import MaskedMean
from zoo.layers.padding_mask import PaddingMask
from zoo.layers.recurrent import GRU, LSTM
from zoo.layers.step_normalization import StepBatchNormalization, StepGroupNormalization, StepRMSNormalization
from zoo.registry import register, register_model
from zoo.regularization import (
    BATCH_NORM_MOMENTUM,
    drop,
    drop_maps,
    kernel_constraint,
    kernel_regularizer,
    normalize,
)


class RecurrentConfig(SequenceConfig):
    """A recurrent network over token ids (steps,) or feature vectors (steps, features)."""

    activation: ActivationConfig = ActivationConfig.model_construct(kind="tanh")
    """Of the cells; their gates stay sigmoid."""
    units: Annotated[Sizes, Field(min_length=1)] = (64,)
    """Width of each recurrent layer, one on top of the other."""
    bidirectional: bool = False
    """Whether every layer also reads from the end, which makes it twice as wide (Schuster and Paliwal, 1997)."""
    pooling: Literal["last", "mean", "attention", "none"] = "last"
    """How steps become features: the last state, the mean, a mean by learnt weights, or none, an answer for every step."""
    embedding_dim: Size = 64
    """Width of the vectors that stand for token ids, where vocabulary_size is set."""

    @model_validator(mode="after")
    def _activation_has_no_weights(self) -> Self:
        if self.activation.kind == PRELU:
            raise ValueError(
                f"activation: {PRELU} has weights of its own, so it cannot be used inside the cells of {self.architecture}: "
                "choose leaky_relu"
            )
        return self

    def gives_sequence(self) -> bool:
        """Tell whether the features are (N, steps, width): where nothing pools them."""
        return self.pooling == "none"

    def regularizers(self) -> AbstractSet[str]:
        """Return which of the regularizers in `NEEDS` have something to act on."""
        return {"recurrent_dropout", "spatial_dropout"}

    def widths(self) -> tuple[int, ...]:
        """Return the width of every layer's output."""
        return tuple((1 + self.bidirectional) * units for units in self.units)


class LSTMConfig(RecurrentConfig):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997)."""

    architecture: Literal["lstm"]


class GRUConfig(RecurrentConfig):
    """Gated recurrent units (Cho et al., 2014): three quarters of the weights of an lstm, and one state rather than two."""

    architecture: Literal["gru"]


_EXAMPLE = {"input_shape": (8, 4), "head": {"kind": "softmax", "units": 3}}
_TAGS = ["sequence", "series", "text"]


@register("lstm", LSTMConfig, example=_EXAMPLE, tags=_TAGS)
def lstm_backbone(x: keras.KerasTensor, config: LSTMConfig) -> keras.KerasTensor:
    """Ids (N, steps) or vectors (N, steps, features) -> (N, width), or (N, steps, width) with pooling none."""
    return recurrent_backbone(x, config, LSTM)


@register("gru", GRUConfig, example=_EXAMPLE, tags=_TAGS)
def gru_backbone(x: keras.KerasTensor, config: GRUConfig) -> keras.KerasTensor:
    """Ids (N, steps) or vectors (N, steps, features) -> (N, width), or (N, steps, width) with pooling none."""
    return recurrent_backbone(x, config, GRU)


def recurrent_backbone(
    x: keras.KerasTensor, config: RecurrentConfig, kind: type[keras.layers.RNN]
) -> keras.KerasTensor:
    """Embed, read with layers of a kind, pool.

    The mask goes to every layer by hand: one that Keras hands on by itself is lost where a layer does not know of masks.
    """
    regularization = config.regularization
    mask = PaddingMask(name="padding_mask")(x) if config.masks_padding() else None
    if config.vocabulary_size:
        x = keras.layers.Embedding(config.vocabulary_size, config.embedding_dim, name="embedding")(x)
    x = drop_maps(x, regularization, "spatial_dropout")
    for number, units in enumerate(config.units, start=1):
        name = f"{config.architecture}_{number}"
        is_last = number == len(config.units)
        gives_steps = not is_last or config.pooling != "last"
        x = _layer(kind, units, config, name, gives_steps=gives_steps)(x, mask=mask)
        x = _normalize(x, regularization, f"{name}_norm", mask if gives_steps else None)
        if not is_last:
            x = drop(x, regularization, f"{name}_dropout")
    return drop(_pool(x, config, mask), regularization, "features_dropout")


def _layer(
    kind: type[keras.layers.RNN], units: int, config: RecurrentConfig, name: str, *, gives_steps: bool
) -> keras.layers.Layer:
    regularization = config.regularization
    layer = kind(
        units,
        activation=activation_function(config.activation),
        recurrent_initializer="orthogonal",
        recurrent_regularizer=kernel_regularizer(regularization),
        kernel_constraint=kernel_constraint(regularization.constraint, 2),
        recurrent_constraint=kernel_constraint(regularization.constraint, 2),
        recurrent_dropout=regularization.recurrent_dropout,
        return_sequences=gives_steps,
        # What padded steps give is 0 then; else the step before would be repeated, which a stream need not have seen.
        zero_output_for_mask=gives_steps,
        name=name,
        **kernel_options(config),
        **bias_options(config),
    )
    return keras.layers.Bidirectional(layer, name=name) if config.bidirectional else layer


def _normalize(
    x: keras.KerasTensor, config: RegularizationConfig, name: str, mask: keras.KerasTensor | None
) -> keras.KerasTensor:
    """Normalize what a layer gives so that neither padding nor another step has a part in it."""
    match config.normalization:
        case "batch":
            return StepBatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=name)(x, mask=mask)
        case "group":
            return StepGroupNormalization(config.groups or DEFAULT_GROUPS, name=name)(x)
        case "rms":
            return StepRMSNormalization(name=name)(x)
        case _:
            return normalize(x, config, name)


def _pool(x: keras.KerasTensor, config: RecurrentConfig, mask: keras.KerasTensor | None) -> keras.KerasTensor:
    match config.pooling:
        case "mean":
            return MaskedMean(name="pool")(x, mask=mask)
        case "attention":
            options: dict[str, Any] = kernel_options(config, "softmax")
            constraint = kernel_constraint(config.regularization.constraint, 2)
            return AttentionPooling(kernel_constraint=constraint, name="pool", **options)(x, mask=mask)
        case _:
            return x


_TEXT = {"input_shape": (8,), "vocabulary_size": 50, "embedding_dim": 8}
for _family in ("lstm", "gru"):
    register_model(f"{_family}_tiny", architecture=_family, units=(32,))
    register_model(f"{_family}_small", architecture=_family, units=(64, 64), regularization={"dropout": 0.2})
register_model(
    "bilstm_small",
    architecture="lstm",
    example=_TEXT,
    units=(64,),
    bidirectional=True,
    pooling="attention",
    regularization={"dropout": 0.3, "spatial_dropout": 0.2},
)
