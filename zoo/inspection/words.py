"""What a layer is, in the words of somebody who draws it on a board: `conv 3 x 3, 32`, `batch norm`, `LSTM 64`."""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import keras

from zoo.layers.activation import FunctionActivation
from zoo.layers.adapted import AdaptedLayer
from zoo.layers.attention import Attention
from zoo.layers.attention_pooling import AttentionPooling
from zoo.layers.category_lookup import CategoryLookup
from zoo.layers.class_token import ClassToken
from zoo.layers.feature_normalization import FeatureNormalization
from zoo.layers.feed_forward import FeedForward
from zoo.layers.masked_mean import MaskedMean
from zoo.layers.padding_mask import PaddingMask
from zoo.layers.patches import Patches
from zoo.layers.position_embedding import PositionEmbedding
from zoo.layers.spectrogram import Spectrogram
from zoo.layers.stochastic_depth import StochasticDepth
from zoo.layers.tokenization import Tokenization
from zoo.layers.transformer_block import TransformerBlock

layers = keras.layers


class Role(Enum):
    """What a layer is for."""

    INPUT = "input"
    PREPROCESSING = "preprocessing"
    EMBEDDING = "embedding"
    CONVOLUTION = "convolution"
    DENSE = "dense"
    RECURRENT = "recurrent"
    ATTENTION = "attention"
    SHAPE = "pooling and shape"
    MERGE = "merge"
    AFTER = "what goes with another layer: normalization, activation, dropout, positions"
    OTHER = "other"
    OUTPUT = "output"


_FUNCTIONS = {
    "relu": "ReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "swish": "SiLU",
    "elu": "ELU",
    "selu": "SELU",
    "prelu": "PReLU",
}
"""Names as their authors write them."""


def function_in_words(function: Any) -> str:
    """Return what an activation is called; nothing for the identity."""
    name = getattr(function, "__name__", None) or keras.activations.serialize(function)
    if isinstance(name, Mapping):
        name = name.get("config", name.get("class_name", ""))
    name = str(name).rpartition(">")[2]
    return "" if name == "linear" else _FUNCTIONS.get(name, name.replace("_", " "))


def sizes(shape: Any) -> str:
    """Return `3 x 3`; an axis of any length is `any`."""
    return " x ".join("any" if size is None else str(size) for size in shape)


def shape_in_words(shape: Any) -> str:
    """Return `28 x 28 x 1`, and `1 value` for a scalar."""
    return sizes(shape) if len(shape) else "1 value"


def words(layer: Any) -> str:
    """Return what a layer, or a function of `keras.ops`, is."""
    for kinds, _, say in _LAYERS:
        if isinstance(layer, kinds):
            return say if isinstance(say, str) else say(layer)
    return _SPACE.sub(" ", type(layer).__name__).lower()


def role(layer: Any) -> Role:
    """Return what a layer is for."""
    return next((found for kinds, found, _ in _LAYERS if isinstance(layer, kinds)), Role.OTHER)


_SPACE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _convolution(name: str) -> Callable[[Any], str]:
    def say(layer: Any) -> str:
        filters = getattr(layer, "filters", None)
        return _joined(
            f"{name} {sizes(layer.kernel_size)}",
            "" if filters is None else str(filters),
            _unless_one("stride", layer.strides),
            _unless_one("dilation", layer.dilation_rate),
            function_in_words(layer.activation),
        )

    return say


def _unless_one(name: str, given: Any) -> str:
    values = set(given) if isinstance(given, tuple | list) else {given}
    if values == {1}:
        return ""
    return f"{name} {values.pop()}" if len(values) == 1 else f"{name} {sizes(given)}"


def _pool(name: str) -> Callable[[Any], str]:
    def say(layer: Any) -> str:
        if set(layer.pool_size) == {1}:
            return _joined("subsample", _unless_one("stride", layer.strides))
        strides = "" if tuple(layer.strides) == tuple(layer.pool_size) else _unless_one("stride", layer.strides)
        return _joined(f"{name} {sizes(layer.pool_size)}", strides)

    return say


def _recurrent(layer: Any) -> str:
    kind = type(layer).__name__
    usual = function_in_words(layer.activation) == "tanh"
    return _joined(f"{kind} {layer.units}", "" if usual else function_in_words(layer.activation))


def _block(layer: TransformerBlock) -> str:
    heads = f"{layer.attention.num_heads} heads"
    causal = "causal" if layer.attention.causal else ""
    return _joined("transformer block", heads, causal, "looks at context" if layer.cross_attention else "")


_Said = tuple[Any, Role, str | Callable[[Any], str]]
_LAYERS: tuple[_Said, ...] = (
    (layers.InputLayer, Role.INPUT, lambda layer: f"input {layer.dtype}"),
    # -- before the backbone
    (layers.Rescaling, Role.AFTER, "rescaled"),
    ((FeatureNormalization, layers.Normalization), Role.PREPROCESSING, "standardized"),
    (Tokenization, Role.PREPROCESSING, lambda layer: f"text to {layer.level} tokens"),
    (CategoryLookup, Role.PREPROCESSING, "categories to numbers"),
    (
        Spectrogram,
        Role.PREPROCESSING,
        lambda layer: _joined("spectrogram", f"{layer.mel_bins} mel" if layer.mel_bins else ""),
    ),
    (layers.Resizing, Role.PREPROCESSING, lambda layer: f"resized to {layer.height} x {layer.width}"),
    (AdaptedLayer, Role.PREPROCESSING, lambda layer: layer.name),
    # -- what has the weights
    (layers.Embedding, Role.EMBEDDING, lambda layer: f"embedding {layer.input_dim} -> {layer.output_dim}"),
    (layers.SeparableConv1D, Role.CONVOLUTION, _convolution("separable conv")),
    (layers.SeparableConv2D, Role.CONVOLUTION, _convolution("separable conv")),
    ((layers.DepthwiseConv1D, layers.DepthwiseConv2D), Role.CONVOLUTION, _convolution("depthwise conv")),
    (
        (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
        Role.CONVOLUTION,
        _convolution("transposed conv"),
    ),
    ((layers.Conv1D, layers.Conv2D, layers.Conv3D), Role.CONVOLUTION, _convolution("conv")),
    (layers.Dense, Role.DENSE, lambda layer: _joined(f"dense {layer.units}", function_in_words(layer.activation))),
    (FeedForward, Role.DENSE, lambda layer: f"feed-forward {layer.hidden.units}"),
    (layers.Bidirectional, Role.RECURRENT, lambda layer: f"bidirectional {words(layer.forward_layer)}"),
    ((layers.LSTM, layers.GRU, layers.SimpleRNN), Role.RECURRENT, _recurrent),
    (layers.TimeDistributed, Role.OTHER, lambda layer: f"at each step: {words(layer.layer)}"),
    (TransformerBlock, Role.ATTENTION, _block),
    (Attention, Role.ATTENTION, lambda layer: _joined("attention", f"{layer.num_heads} heads")),
    (layers.MultiHeadAttention, Role.ATTENTION, lambda layer: f"attention, {layer.num_heads} heads"),
    # -- shapes
    ((layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D), Role.SHAPE, _pool("max pool")),
    ((layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D), Role.SHAPE, _pool("average pool")),
    (
        (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
        Role.SHAPE,
        "global average pool",
    ),
    (
        (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
        Role.SHAPE,
        "global max pool",
    ),
    (MaskedMean, Role.SHAPE, "mean over steps"),
    (AttentionPooling, Role.SHAPE, "attention pooling"),
    (Patches, Role.SHAPE, lambda layer: f"patches {layer.size} x {layer.size}"),
    (layers.Flatten, Role.SHAPE, "flatten"),
    (layers.Reshape, Role.SHAPE, "reshape"),
    # -- where branches meet
    (layers.Add, Role.MERGE, "add"),
    (layers.Multiply, Role.MERGE, "multiply"),
    (layers.Concatenate, Role.MERGE, "concatenate"),
    # -- what goes with another layer
    (ClassToken, Role.AFTER, "class token"),
    (PositionEmbedding, Role.AFTER, lambda layer: f"{layer.kind} positions"),
    (layers.BatchNormalization, Role.AFTER, "batch norm"),
    (layers.LayerNormalization, Role.AFTER, "layer norm"),
    (layers.GroupNormalization, Role.AFTER, lambda layer: f"group norm {layer.groups}"),
    (layers.RMSNormalization, Role.AFTER, "RMS norm"),
    (layers.SpatialDropout1D, Role.AFTER, lambda layer: f"spatial dropout {layer.rate:g}"),
    (layers.SpatialDropout2D, Role.AFTER, lambda layer: f"spatial dropout {layer.rate:g}"),
    (layers.Dropout, Role.AFTER, lambda layer: f"dropout {layer.rate:g}"),
    (layers.GaussianNoise, Role.AFTER, lambda layer: f"noise {layer.stddev:g}"),
    (StochasticDepth, Role.AFTER, lambda layer: f"stochastic depth {layer.rate:g}"),
    (FunctionActivation, Role.AFTER, lambda layer: function_in_words(layer.function) or "linear"),
    (layers.Activation, Role.AFTER, lambda layer: function_in_words(layer.activation) or "linear"),
    (layers.ReLU, Role.AFTER, "ReLU"),
    (layers.LeakyReLU, Role.AFTER, lambda layer: f"leaky ReLU {layer.negative_slope:g}"),
    (layers.ELU, Role.AFTER, "ELU"),
    (layers.PReLU, Role.AFTER, "PReLU"),
    (layers.Softmax, Role.AFTER, "softmax"),
    (PaddingMask, Role.OTHER, "which steps count"),
    (layers.Masking, Role.AFTER, "padding left out"),
)
"""What layers are; the first that fits counts, so subclasses stand before what they extend."""
