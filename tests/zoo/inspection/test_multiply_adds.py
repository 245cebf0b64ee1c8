from collections.abc import Callable
from typing import Any

import keras
import pytest

import zoo
from zoo.inspection import count_multiply_adds
from zoo.inspection.calls import calls_of
from zoo.inspection.multiply_adds import multiply_adds_of

L = keras.layers
HEAD = {"kind": "softmax", "units": 10}


def count(layer: keras.Layer, shape: tuple[int | None, ...]) -> int | None:
    inputs = keras.Input(shape)
    return count_multiply_adds(keras.Model(inputs, layer(inputs)))


def float_operations(model: keras.Model) -> int:
    """Return TensorFlow's own count of one example; a multiplication and an addition are two."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    (tensor,) = model.inputs
    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype))
    graph = convert_variables_to_constants_v2(concrete).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder(
        tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    ).with_empty_output()
    with graph.as_default():
        found = tf.compat.v1.profiler.profile(graph, options=options.build())
    return int(found.total_float_ops)


@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        ("mlp", {"input_shape": (20,), "units": [16, 8]}),
        ("cnn", {"input_shape": (12, 12, 2), "filters": [4, 8], "units": [6]}),
        ("cnn", {"input_shape": (12, 12, 3), "filters": [4, 8], "convolution": "separable", "use_bias": False}),
    ],
    ids=["mlp", "cnn", "separable"],
)
def test_twice_the_count_is_what_tensorflow_counts_but_for_biases_and_activations(
    architecture: str, fields: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    model = zoo.build(architecture, **fields, head=HEAD)
    profiled = float_operations(model)
    capfd.readouterr()

    products = 2 * (count_multiply_adds(model) or 0)
    values = sum(int(keras.ops.prod(call.outputs[0].shape[1:])) for call in calls_of(model))
    assert products <= profiled <= products + 5 * values  # biases, pooling, softmax: a few for each value


@pytest.mark.parametrize(
    ("layer", "shape", "by_hand"),
    [
        (L.Dense(7), (5,), 5 * 7),
        (L.Dense(7), (3, 4, 5), 3 * 4 * 5 * 7),
        (L.Conv1D(6, 3, padding="same"), (10, 4), 10 * 3 * 4 * 6),
        (L.Conv2D(6, 3, strides=2, padding="same"), (10, 10, 4), 5 * 5 * 3 * 3 * 4 * 6),
        (L.Conv2D(6, 3, groups=2, padding="valid"), (10, 10, 4), 8 * 8 * 3 * 3 * 2 * 6),
        (L.Conv2DTranspose(6, 2, strides=2), (5, 5, 4), 5 * 5 * 2 * 2 * 4 * 6),
        (L.DepthwiseConv2D(3, padding="same"), (8, 8, 4), 8 * 8 * 3 * 3 * 4),
        (L.SeparableConv1D(6, 3, padding="same", depth_multiplier=2), (8, 4), 8 * (3 * 8 + 8 * 6)),
        (L.LSTM(6), (9, 4), 9 * 4 * (4 + 6) * 6),
        (L.GRU(6), (9, 4), 9 * 3 * (4 + 6) * 6),
        (L.Bidirectional(L.GRU(6)), (9, 4), 2 * 9 * 3 * (4 + 6) * 6),
        (L.Embedding(50, 8), (9,), 0),
        (L.BatchNormalization(), (8, 8, 4), 0),
        (L.MaxPooling2D(), (8, 8, 4), 0),
        (L.PReLU(), (8, 8, 4), 0),
    ],
    ids=lambda value: getattr(value, "name", str(value))[:30],
)
def test_layers_count_as_worked_out_by_hand(layer: keras.Layer, shape: tuple[int, ...], by_hand: int) -> None:
    assert count(layer, shape) == by_hand


def test_attention_counts_projections_scores_and_means() -> None:
    query, context = keras.Input((5, 8)), keras.Input((7, 6))
    model = keras.Model([query, context], L.MultiHeadAttention(num_heads=2, key_dim=3, value_dim=4)(query, context))

    projections = 5 * 8 * 2 * 3 + 7 * 6 * 2 * 3 + 7 * 6 * 2 * 4 + 5 * 2 * 4 * 8
    assert count_multiply_adds(model) == projections + 2 * 5 * 7 * 3 + 2 * 5 * 7 * 4


def test_a_layer_is_asked_with_the_shapes_of_its_arguments() -> None:
    class Asked(keras.layers.Layer):
        def call(self, inputs: Any, context: Any = None) -> Any:
            return inputs

        def multiply_adds(self, input_shape: tuple[int, ...], context_shape: tuple[int, ...] = (0, 0)) -> int:
            return 100 * input_shape[1] + context_shape[1]

    inputs, context = keras.Input((3,)), keras.Input((4,))

    assert count_multiply_adds(keras.Model([inputs, context], Asked()(inputs, context=context))) == 304
    assert count_multiply_adds(keras.Model(inputs, Asked()(inputs))) == 300


def test_a_transformer_counts_what_it_does_to_a_context() -> None:
    fields = {"hidden_dim": 8, "num_heads": 2, "num_layers": 1, "intermediate_dim": 16, "vocabulary_size": 11}
    model = zoo.build(
        "transformer",
        variant="seq2seq",
        input_shape=(5,),
        target_length=3,
        head={"kind": "token", "units": 11},
        **fields,
    )

    def attention(steps: int, seen: int) -> int:
        return 2 * steps * 8 * 8 + 2 * seen * 8 * 8 + 2 * steps * seen * 8

    encoder = attention(5, 5) + 5 * 2 * 8 * 16
    decoder = attention(3, 3) + attention(3, 5) + 3 * 2 * 8 * 16
    assert count_multiply_adds(model) == encoder + decoder + 3 * 8 * 11


def test_a_layer_that_is_used_twice_counts_twice() -> None:
    shared = L.Dense(4)
    a, b = keras.Input((3,)), keras.Input((3,))

    assert count_multiply_adds(keras.Model([a, b], [shared(a), shared(b)])) == 2 * 3 * 4


def test_a_model_within_a_model_counts() -> None:
    inner = keras.Sequential([keras.Input((3,)), L.Dense(4), L.Dense(2)])

    assert count(inner, (3,)) == 3 * 4 + 4 * 2


def test_products_of_functions_count() -> None:
    a, b = keras.Input((3, 4)), keras.Input((4, 5))

    assert count_multiply_adds(keras.Model([a, b], keras.ops.matmul(a, b))) == 3 * 4 * 5


def test_an_unknown_layer_with_a_kernel_is_not_counted() -> None:
    class Odd(keras.layers.Layer):
        def build(self, input_shape: tuple[int, ...]) -> None:
            self.kernel = self.add_weight(shape=(input_shape[-1], 2), name="kernel")

        def call(self, x: Any) -> Any:
            return keras.ops.matmul(x, self.kernel)

    assert count(Odd(), (3,)) is None


def test_an_axis_of_any_length_is_not_counted() -> None:
    assert count(L.LSTM(4), (None, 3)) is None


@pytest.mark.parametrize("name", [*zoo.list_architectures(), *zoo.list_models()])
def test_every_layer_of_the_zoo_is_counted_where_its_shapes_are_fixed(
    name: str, example_model: Callable[[str], keras.Model]
) -> None:
    calls = calls_of(example_model(name))
    fixed = [call for call in calls if all(None not in x.shape[1:] for x in (*call.inputs, *call.outputs))]

    assert fixed
    assert [call.name for call in fixed if multiply_adds_of(call) is None] == []
