"""How many multiplications with addition a model takes to answer for one example.

Counted are products of inputs with kernels and, in attention, of queries with keys and values. Biases, activations,
normalization and pooling are not: beside products they are small, and no two counts of them agree.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras

from zoo.inspection.calls import Call, calls_of
from zoo.layers.attention_pooling import AttentionPooling
from zoo.layers.class_token import ClassToken
from zoo.layers.feature_normalization import FeatureNormalization
from zoo.layers.position_embedding import PositionEmbedding

_Size = int | None


def count_multiply_adds(model: keras.Model) -> int | None:
    """Return the multiply-adds of one example, or None where a layer cannot be counted or an axis has no fixed size."""
    counts = [multiply_adds_of(call) for call in calls_of(model)]
    return None if None in counts else sum(count or 0 for count in counts)


def multiply_adds_of(call: Call) -> int | None:
    """Return the multiply-adds that one call takes for one example; None where they cannot be told.

    A layer with a method `multiply_adds(input_shape)` is asked; further parameters, such as `context_shape`, are the shapes
    of the arguments of that name.
    """
    layer = call.operation
    own = getattr(layer, "multiply_adds", None)
    try:
        if callable(own):
            return int(own(**_shapes(own, call)))
        if not call.is_layer:
            return _of_function(call)
        return _of_layer(layer, call)
    except TypeError:  # a size that is None
        return None


def _of_function(call: Call) -> int | None:
    match type(call.operation).__name__:
        case "Matmul" | "Dot":
            return _size(call.outputs[0]) * int(call.inputs[0].shape[-1])
        case "Einsum" | "Tensordot" | "Conv" | "DepthwiseConv" | "SeparableConv" | "DotProductAttention":
            return None
        case _:
            return 0


def _of_layer(layer: Any, call: Call) -> int | None:
    for kinds, count in _COUNTS.items():
        if isinstance(layer, kinds):
            return count(layer, call)
    if isinstance(layer, keras.Model):
        return count_multiply_adds(layer)
    kernels = [weight for weight in layer.weights if len(weight.shape) > 1]
    if kernels and not isinstance(layer, _ELEMENTWISE):
        return None
    return 0


def _dense(_: Any, call: Call) -> int:
    return _size(call.outputs[0]) * int(call.inputs[0].shape[-1])


def _convolution(layer: Any, call: Call) -> int:
    """Each value of the output is a sum over a kernel and the input channels of its group."""
    return math.prod(layer.kernel.shape[:-1]) * _size(call.outputs[0])


def _transposed(layer: Any, call: Call) -> int:
    """Each value of the input is spread over a kernel."""
    return math.prod(layer.kernel.shape[:-1]) * _size(call.inputs[0])


def _depthwise(layer: Any, call: Call) -> int:
    return math.prod(layer.kernel_size) * _size(call.outputs[0])


def _separable(layer: Any, call: Call) -> int:
    """One convolution per channel, then one of size 1 over the channels that gave."""
    *kernel, channels, multiplier = layer.depthwise_kernel.shape
    positions = _size(call.outputs[0]) // layer.filters
    return positions * channels * multiplier * (math.prod(kernel) + layer.filters)


def _recurrent(layer: Any, call: Call) -> int:
    """At every step, the kernels on the input and on the state."""
    steps = call.inputs[0].shape[1]
    return int(steps) * (math.prod(layer.cell.kernel.shape) + math.prod(layer.cell.recurrent_kernel.shape))


def _bidirectional(layer: Any, call: Call) -> int | None:
    if not isinstance(layer.forward_layer, _RECURRENT):
        return None
    return _recurrent(layer.forward_layer, call) + _recurrent(layer.backward_layer, call)


def _multi_head(layer: Any, call: Call) -> int:
    query = call.arguments["query"].shape
    value = call.arguments["value"].shape
    key = call.arguments.get("key", call.arguments["value"]).shape
    steps, seen = int(query[1]), int(value[1])
    heads, key_dim, value_dim = layer.num_heads, layer.key_dim, layer.value_dim
    width = int(call.outputs[0].shape[-1])
    projections = int(query[-1]) * steps * key_dim + seen * (int(key[-1]) * key_dim + int(value[-1]) * value_dim)
    return int(heads * (projections + steps * width * value_dim + steps * seen * (key_dim + value_dim)))


def _embedding(*_: Any) -> int:
    """A row is looked up, nothing is multiplied."""
    return 0


def _attention_pooling(_: Any, call: Call) -> int:
    """A score of every step, then their weighted mean."""
    return 2 * _size(call.inputs[0])


_Count = Callable[[Any, Call], _Size]
_RECURRENT = (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN)
_COUNTS: Mapping[tuple[type, ...], _Count] = {
    (keras.layers.Dense,): _dense,
    (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D): _separable,
    (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D): _depthwise,
    (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose): _transposed,
    (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D): _convolution,
    _RECURRENT: _recurrent,
    (keras.layers.Bidirectional,): _bidirectional,
    (keras.layers.MultiHeadAttention,): _multi_head,
    (keras.layers.Embedding,): _embedding,
    (AttentionPooling,): _attention_pooling,
}
_ELEMENTWISE = (
    ClassToken,
    FeatureNormalization,
    PositionEmbedding,
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
    keras.layers.PReLU,
    keras.layers.RMSNormalization,
)
"""Layers whose weights, of whatever rank, are added to values or multiply each once."""


def _size(tensor: keras.KerasTensor) -> int:
    """Return the values of one example. Raises TypeError where an axis has no fixed size."""
    return math.prod(int(size) for size in tensor.shape[1:])


def _shapes(method: Callable[..., Any], call: Call) -> dict[str, Any]:
    """Return what a layer's own `multiply_adds` asks for."""
    shapes: dict[str, Any] = {}
    for number, parameter in enumerate(inspect.signature(method).parameters.values()):
        if number == 0:
            tensor: Any = call.inputs[0]
        else:
            tensor = call.arguments.get(parameter.name.removesuffix("_shape"))
        if isinstance(tensor, keras.KerasTensor):
            shapes[parameter.name] = tuple(tensor.shape)
    return shapes
