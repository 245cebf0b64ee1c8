import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

import zoo
from zoo.activations import activation_function, activation_layer
from zoo.config import ActivationConfig
from zoo.errors import ConfigError
from zoo.keras_names import names_in

LINEAR = {"kind": "linear"}


@keras.saving.register_keras_serializable("zoo_tests")
def cubic(x: Any, scale: float = 1.0) -> Any:
    return scale * x**3


@keras.saving.register_keras_serializable("zoo_tests")
def first_half(x: Any) -> Any:
    return x[..., : x.shape[-1] // 2]


@keras.saving.register_keras_serializable("zoo_tests")
class Shouting(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return x


CHOICES: list[Any] = [
    *(name for name in names_in(keras.activations) if name not in {"glu", "threshold"}),
    "prelu",
    {"kind": "threshold", "threshold": 0.5, "default_value": -1.0},
    {"kind": "leaky_relu", "negative_slope": 0.1},
    {"kind": "relu", "max_value": 6},
    {"kind": "gelu", "approximate": True},
    {"kind": "celu", "alpha": 0.5},
    cubic,
    "zoo_tests>cubic",
    {"kind": "zoo_tests>cubic", "scale": 0.5},
]


def named(value: object) -> str | None:
    """The id of a test: without the address of a function, which differs between the processes that run the tests."""
    return getattr(value, "__name__", None if isinstance(value, keras.Layer) else str(value))


def build(activation: Any) -> keras.Model:
    return zoo.build("mlp", input_shape=(3,), units=[4, 4], activation=activation, head=LINEAR)


def applied(activation: Any, x: np.ndarray) -> np.ndarray:
    config = ActivationConfig.model_validate(activation)
    return activation_layer(config, rank=x.ndim)(x).numpy()


@pytest.mark.parametrize("activation", CHOICES, ids=named)
def test_every_activation_builds_trains_and_is_saved(activation: Any, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model, x = build(activation), np.random.default_rng(0).uniform(-0.5, 0.5, (5, 3)).astype("float32")
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
    model.train_on_batch(x, {"value": np.ones((5, 1), "float32")})
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert any((new != old).any() for new, old in zip(model.get_weights(), before, strict=True))
    assert np.isfinite(model(x)["value"].numpy()).all()
    np.testing.assert_array_equal(loaded(x)["value"].numpy(), model(x)["value"].numpy())


@pytest.mark.parametrize("activation", CHOICES, ids=named)
def test_every_activation_survives_the_round_trip_through_yaml(activation: Any) -> None:
    config = zoo.ModelConfig.parse(
        {"architecture": "mlp", "input_shape": [3], "activation": activation, "head": LINEAR}
    )

    again = zoo.ModelConfig.from_yaml(config.to_yaml())
    assert again == config
    assert again.content_hash() == config.content_hash()


def test_a_function_and_its_name_are_the_same_choice() -> None:
    assert ActivationConfig.model_validate(cubic) == ActivationConfig.model_validate("zoo_tests>cubic")
    assert ActivationConfig.model_validate(keras.activations.gelu) == ActivationConfig.model_validate("gelu")


@pytest.mark.parametrize(
    ("activation", "by_hand"),
    [
        ("relu", lambda x: max(x, 0)),
        ("relu6", lambda x: min(max(x, 0), 6)),
        ({"kind": "relu", "max_value": 1.5}, lambda x: min(max(x, 0), 1.5)),
        ({"kind": "leaky_relu", "negative_slope": 0.1}, lambda x: x if x > 0 else 0.1 * x),
        ({"kind": "elu", "alpha": 2.0}, lambda x: x if x > 0 else 2 * math.expm1(x)),
        ("selu", lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x))),
        ("gelu", lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
        ("silu", lambda x: x / (1 + math.exp(-x))),
        ("swish", lambda x: x / (1 + math.exp(-x))),
        ("mish", lambda x: x * math.tanh(math.log1p(math.exp(x)))),
        ("tanh", math.tanh),
        ("sigmoid", lambda x: 1 / (1 + math.exp(-x))),
        ("softplus", lambda x: math.log1p(math.exp(x))),
        ("softsign", lambda x: x / (1 + abs(x))),
        ("linear", lambda x: x),
        ("hard_sigmoid", lambda x: min(max(x / 6 + 0.5, 0), 1)),
        ("hard_silu", lambda x: x * min(max(x / 6 + 0.5, 0), 1)),
        ("hard_tanh", lambda x: min(max(x, -1), 1)),
        ("softmax", None),
        ({"kind": "zoo_tests>cubic", "scale": 0.5}, lambda x: 0.5 * x**3),
    ],
    ids=named,
)
def test_an_activation_is_its_formula(activation: Any, by_hand: Callable[[float], float] | None) -> None:
    x = np.linspace(-7, 7, 29).astype("float32").reshape(1, -1)

    expected = np.exp(x) / np.exp(x).sum() if by_hand is None else np.array([[by_hand(float(v)) for v in x[0]]])
    np.testing.assert_allclose(applied(activation, x), expected, rtol=2e-5, atol=2e-6)


def test_prelu_has_a_slope_per_channel_wherever_in_an_image() -> None:
    layer = activation_layer(ActivationConfig.model_validate("prelu"), rank=4)
    layer.build((None, 5, 6, 3))
    layer.set_weights([np.array([0.0, 0.5, 2.0]).reshape(1, 1, 3)])

    answer = layer(np.full((1, 5, 6, 3), -1.0)).numpy()
    np.testing.assert_array_equal(answer, np.broadcast_to([0.0, -0.5, -2.0], (1, 5, 6, 3)))


# --- derivatives: of the built model, whose weights are all 1 and biases 0, so that it is its activation

CLOSED_FORMS: dict[str, tuple[Any, Callable[[float], float]]] = {
    "relu": ("relu", lambda x: 1.0 if x > 0 else 0.0),
    "sigmoid": ("sigmoid", lambda x: 1 / (1 + math.exp(-x)) * (1 - 1 / (1 + math.exp(-x)))),
    "tanh": ("tanh", lambda x: 1 - math.tanh(x) ** 2),
    "leaky_relu": ({"kind": "leaky_relu", "negative_slope": 0.1}, lambda x: 1.0 if x > 0 else 0.1),
    "leaky_relu_default": ("leaky_relu", lambda x: 1.0 if x > 0 else 0.2),
}
GRID = [x for x in np.linspace(-6, 6, 49).tolist() if x != 0]
"""Without 0, where leaky_relu has two derivatives to choose from."""


@cache
def as_function(name: str) -> keras.Model:
    model = zoo.build("mlp", input_shape=(1,), units=[1], activation=CLOSED_FORMS[name][0], head=LINEAR)
    model.set_weights([np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)])
    return model


def derivative(name: str, points: list[float]) -> np.ndarray:
    x = tf.constant(points, tf.float32)[:, None]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = as_function(name)(x)["value"]
    return tape.gradient(y, x).numpy()[:, 0]


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_derivative_is_its_closed_form_on_a_grid(name: str) -> None:
    expected = [CLOSED_FORMS[name][1](x) for x in GRID]

    np.testing.assert_allclose(derivative(name, GRID), expected, rtol=1e-5, atol=1e-6)


def test_the_derivative_of_relu_at_0_is_0() -> None:
    assert derivative("relu", [0.0]).tolist() == [0.0]


@pytest.mark.parametrize("name", CLOSED_FORMS)
@given(x=st.floats(-30, 30, width=32).filter(lambda x: abs(x) > 1e-30))
@settings(max_examples=40, deadline=None)
def test_the_derivative_is_its_closed_form_anywhere(name: str, x: float) -> None:
    assert float(derivative(name, [x])[0]) == pytest.approx(CLOSED_FORMS[name][1](x), rel=1e-4, abs=1e-6)


def test_the_derivatives_are_their_closed_forms_under_jax_too(run_python: Callable[..., Any]) -> None:
    source = """
import json, sys
import jax
import numpy as np
import zoo

activations, grid = json.loads(sys.argv[1])
derivatives = {}
for name, activation in activations.items():
    model = zoo.build("mlp", input_shape=(1,), units=[1], activation=activation, head={"kind": "linear"})
    model.set_weights([np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)])
    value = lambda x: model(x)["value"].sum()
    derivatives[name] = jax.grad(value)(np.array(grid, "float32")[:, None])[:, 0].tolist()
print(json.dumps(derivatives))
"""
    chosen = {name: activation for name, (activation, _) in CLOSED_FORMS.items()}

    run = run_python(source, json.dumps([chosen, GRID]), KERAS_BACKEND="jax")

    assert run.returncode == 0, run.stderr
    for name, got in json.loads(run.stdout).items():
        np.testing.assert_allclose(got, [CLOSED_FORMS[name][1](x) for x in GRID], rtol=1e-5, atol=1e-6)


# --- as a function inside of a layer


@pytest.mark.parametrize("activation", ["tanh", {"kind": "leaky_relu", "negative_slope": 0.1}, cubic], ids=named)
def test_an_activation_inside_a_layer_is_saved_with_it(activation: Any, tmp_path: Path) -> None:
    function = activation_function(ActivationConfig.model_validate(activation))
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4, activation=function)])
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x).numpy(), model(x).numpy())


def test_prelu_cannot_be_a_function_inside_a_layer() -> None:
    with pytest.raises(ConfigError, match=r"prelu has weights of its own.*choose leaky_relu"):
        activation_function(ActivationConfig.model_validate("prelu"))


# --- refused


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("", "unknown activation ''"),
        ("RELU!", "unknown activation 'RELU!'"),
        ("get", "unknown activation 'get'"),
        ("Dense", "unknown activation 'Dense'"),
        ("serialize", "unknown activation 'serialize'"),
        ("rleu", "unknown activation 'rleu'; did you mean 'relu'"),
        ("nowhere>shout", "'nowhere>shout'; import the module that registers it first"),
        ("zoo_tests>Shouting", "is a class: register a function"),
        (1, r"expected a name, or a mapping with a kind, got 1 \(int\)"),
        (True, r"got True \(bool\)"),
        (None, "got None"),
        ([], r"got \[\] \(list\)"),
        ({"negative_slope": 0.1}, "kind: is required"),
        ({"kind": 1}, r"kind: .*valid string, got 1 \(int\)"),
        ({"kind": "leaky_relu", "slope": 0.1}, "'leaky_relu' has no argument 'slope'; did you mean 'negative_slope'"),
        ({"kind": "tanh", "alpha": 1}, "'tanh' has no argument 'alpha'"),
        ({"kind": "prelu", "slope": 0.1}, "'prelu' has no argument 'slope'"),
        ({"kind": "prelu", "shared_axes": 5}, "shared_axes are all but the channels: leave it out"),
        ({"kind": "prelu", "dtype": "int32"}, "'prelu' has no argument 'dtype'"),
        ({"kind": "celu", "alpha": 0}, r"expected alpha >= 0\.001, got 0"),
        ({"kind": "squareplus", "b": -1}, "expected b >= 0, got -1"),
        ({"kind": "relu", "max_value": math.nan}, "'max_value': expected a finite number, got nan"),
        ({"kind": "relu", "max_value": -math.inf}, "'max_value': expected a finite number, got -inf"),
        ({"kind": "relu", "max_value": True}, r"max_value: expected a number or text, got True \(bool\)"),
        ({"kind": "leaky_relu", "negative_slope": True}, r"negative_slope: expected a number, got True \(bool\)"),
        ({"kind": "leaky_relu", "negative_slope": "1"}, r"negative_slope: expected a number, got '1' \(str\)"),
        ({"kind": "leaky_relu", "negative_slope": [1]}, r"negative_slope: expected a number, got \[1\] \(list\)"),
        ({"kind": "leaky_relu", "negative_slope": -1}, "'leaky_relu' refuses"),
        ({"kind": "gelu", "approximate": 1}, r"approximate: expected true or false, got 1 \(int\)"),
        ({"kind": "relu", "max_value": "six"}, "'relu' refuses"),
        ({"kind": "relu", "max_value": [6]}, r"max_value: expected a number or text, got \[6\]"),
        ("threshold", "'threshold' needs the argument 'threshold'"),
        ({"kind": "softmax", "axis": 0}, "expected axis -1, that of the channels, got 0"),
        ("glu", "glu gives half of the channels it gets, so it cannot follow a hidden layer: choose silu or gelu"),
        (lambda x: x, "the activation <lambda> has no name to be found by again: decorate it"),
        (keras.layers.LeakyReLU, "expected a function or a name such as 'prelu'"),
        (keras.layers.LeakyReLU(0.1), "expected a function or a name such as 'prelu'"),
    ],
    ids=named,
)
def test_what_is_no_activation_is_refused(activation: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        zoo.ModelConfig.parse({"architecture": "mlp", "input_shape": [3], "activation": activation, "head": LINEAR})


def test_a_function_that_changes_the_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"first_half' makes .* expected a function that keeps the shape"):
        build(first_half)
