import re
from collections.abc import Callable

import keras
import pytest

import zoo
from zoo.inspection.arithmetic import spell

L = keras.layers
names = pytest.mark.parametrize("name", [*zoo.list_architectures(), *zoo.list_models()])


def evaluate(spelled: str) -> int:
    """Work the arithmetic out: names in brackets and words go, x is times."""
    figures = re.sub(r"\((?=[a-z])[a-z0-9 ,:]*\)", "", spelled)
    figures = re.sub(r"\bx\b", "*", figures)
    figures = re.sub(r"[A-Za-z]+", "", figures)
    assert re.fullmatch(r"[\d\s*+()]*", figures), spelled
    return int(eval(figures))  # noqa: S307 - digits and operators alone


@names
def test_every_formula_of_every_example_comes_to_the_parameters_of_its_layer(
    name: str, example_model: Callable[[str], keras.Model]
) -> None:
    layers = [layer for layer in example_model(name).layers if layer.weights]

    assert {layer.name: evaluate(spell(layer)) for layer in layers} == {
        layer.name: layer.count_params() for layer in layers
    }


@pytest.mark.parametrize(
    ("layer", "shape", "spelled"),
    [
        (L.Dense(16), (784,), "784 x 16 weights + 16 biases"),
        (L.Dense(16, use_bias=False), (784,), "784 x 16 weights"),
        (L.Conv2D(32, 3), (28, 28, 1), "3 x 3 x 1 x 32 weights + 32 biases"),
        (L.Conv1D(4, 5), (10, 2), "5 x 2 x 4 weights + 4 biases"),
        (L.DepthwiseConv2D(3), (8, 8, 4), "3 x 3 x 4 x 1 weights + 4 biases"),
        (
            L.SeparableConv2D(6, 3),
            (8, 8, 4),
            "3 x 3 x 4 x 1 depthwise weights + 1 x 1 x 4 x 6 pointwise weights + 6 biases",
        ),
        (L.LSTM(64), (5, 8), "4 x ((8 + 64) x 64 weights + 64 biases)"),
        (L.LSTM(64, use_bias=False), (5, 8), "4 x ((8 + 64) x 64 weights)"),
        (L.GRU(32), (5, 8), "3 x ((8 + 32) x 32 weights + 2 x 32 biases)"),
        (L.GRU(32, reset_after=False), (5, 8), "3 x ((8 + 32) x 32 weights + 32 biases)"),
        (L.SimpleRNN(32), (5, 8), "(8 + 32) x 32 weights + 32 biases"),
        (L.Bidirectional(L.LSTM(64)), (5, 8), "2 x (4 x ((8 + 64) x 64 weights + 64 biases))"),
        (L.Embedding(5000, 64), (5,), "5000 x 64 embeddings"),
        (L.LayerNormalization(), (64,), "2 x 64 (scale, offset)"),
        (L.BatchNormalization(), (64,), "4 x 64 (scale, offset, mean, variance)"),
        (L.RMSNormalization(), (64,), "64 scale"),
        (L.ReLU(), (64,), ""),
    ],
    ids=lambda value: getattr(value, "name", str(value))[:30],
)
def test_known_layers_are_spelled_as_a_textbook_would(layer: keras.Layer, shape: tuple[int, ...], spelled: str) -> None:
    layer(keras.Input(shape))

    assert spell(layer) == spelled
    if spelled:
        assert evaluate(spelled) == layer.count_params()


def test_parts_with_alike_weights_are_counted_together() -> None:
    layer = L.MultiHeadAttention(num_heads=2, key_dim=3)
    x = keras.Input((5, 8))
    layer(x, x)

    assert spell(layer).startswith("3 x (8 x 2 x 3 weights + 2 x 3 biases) (query, key, value)")
    assert evaluate(spell(layer)) == layer.count_params()


def test_a_layer_that_nobody_knows_is_spelled_by_its_weights() -> None:
    class Odd(keras.layers.Layer):
        def build(self, input_shape: tuple[int, ...]) -> None:
            self.table = self.add_weight(shape=(3, 4, 5), name="look_up")
            self.gain = self.add_weight(shape=(), name="gain")

        def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
            return x * self.gain

    layer = Odd()
    layer(keras.Input((2,)))

    assert spell(layer) == "3 x 4 x 5 look up + 1 gain"
