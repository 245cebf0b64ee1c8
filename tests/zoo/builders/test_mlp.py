from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import given, settings

import zoo

LINEAR = {"kind": "linear"}


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def draw_weights(model: keras.Model) -> list[np.ndarray]:
    """Set every weight, biases too, to random values; return them."""
    random = np.random.default_rng(1)
    weights = [random.normal(size=weight.shape).astype("float32") for weight in model.get_weights()]
    model.set_weights(weights)
    return weights


def value(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return model(x)["value"].numpy()


def test_the_forward_pass_is_matrix_products_by_hand() -> None:
    model = zoo.build("mlp", input_shape=(4,), units=[5, 6], activation="tanh", head={"kind": "softmax", "units": 3})
    w1, b1, w2, b2, w3, b3 = draw_weights(model)
    x = normal(7, 4)

    logits = np.tanh(np.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)

    np.testing.assert_allclose(model(x)["probabilities"].numpy(), expected, atol=1e-6)


def test_relu_is_the_default_activation() -> None:
    model = zoo.build("mlp", input_shape=(1,), units=[2], head=LINEAR)
    model.set_weights([np.array([[1.0, -1.0]]), np.zeros(2), np.array([[1.0], [10.0]]), np.zeros(1)])

    # relu(3) + 10 relu(-3) = 3 and relu(-3) + 10 relu(3) = 30
    np.testing.assert_array_equal(value(model, np.array([[3.0], [-3.0]])), [[3.0], [30.0]])


def test_an_input_of_several_axes_is_flattened_row_by_row() -> None:
    model = zoo.build("mlp", input_shape=(2, 3), units=[1], activation="linear", head=LINEAR)
    kernel = np.array([[1.0], [10.0], [100.0], [1e3], [1e4], [1e5]])
    model.set_weights([kernel, np.zeros(1), np.ones((1, 1)), np.zeros(1)])

    assert float(value(model, np.array([[[1, 2, 3], [4, 5, 6]]]))[0, 0]) == 654321


def test_batch_normalization_has_four_parameters_per_unit_and_no_bias() -> None:
    model = zoo.build(
        "mlp", input_shape=(3,), units=[4], regularization={"normalization": "batch"}, head={"kind": "sigmoid"}
    )

    assert model.count_params() == 3 * 4 + 4 * 4 + (4 * 1 + 1)


def test_the_default_has_two_hidden_layers_of_64() -> None:
    model = zoo.build("mlp", input_shape=(10,), head={"kind": "sigmoid"})

    assert model.count_params() == (10 * 64 + 64) + (64 * 64 + 64) + (64 + 1)


@given(widths=st.lists(st.integers(1, 12), min_size=1, max_size=5), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_without_activations_any_depth_is_one_affine_map(widths: list[int], seed: int) -> None:
    keras.utils.set_random_seed(seed)
    model = zoo.build(
        "mlp", input_shape=(3,), units=widths, activation="linear", bias_initializer="random_normal", head=LINEAR
    )
    matrix, offset = np.eye(3), np.zeros(3)
    for kernel, bias in zip(model.get_weights()[::2], model.get_weights()[1::2], strict=True):
        matrix, offset = matrix @ kernel, offset @ kernel + bias
    x = np.random.default_rng(seed).normal(size=(5, 3))

    np.testing.assert_allclose(value(model, x), x @ matrix + offset, rtol=1e-4, atol=1e-5)


def test_each_layer_may_have_an_activation_of_its_own() -> None:
    model = zoo.build("mlp", input_shape=(4,), units=[5, 6, 7], activations=["tanh", "linear", "softplus"], head=LINEAR)
    w1, b1, w2, b2, w3, b3, w4, b4 = draw_weights(model)
    x = normal(3, 4)

    by_hand = np.log1p(np.exp((np.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3)) @ w4 + b4
    np.testing.assert_allclose(value(model, x), by_hand, rtol=1e-4, atol=1e-4)


def test_each_kernel_begins_as_suits_the_activation_of_its_layer() -> None:
    model = zoo.build("mlp", input_shape=(4,), units=[5, 6, 7], activations=["relu", "tanh", "selu"], head=LINEAR)

    begun = [type(model.get_layer(f"dense_{number}").kernel_initializer).__name__ for number in (1, 2, 3)]
    assert begun == ["HeNormal", "GlorotUniform", "LecunNormal"]


def test_a_layer_as_wide_as_the_one_before_adds_to_what_came_in_before_activation() -> None:
    model = zoo.build("mlp", input_shape=(4,), units=[5, 5, 3, 3], residual=True, activation="tanh", head=LINEAR)
    w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = draw_weights(model)
    x = normal(6, 4)

    one = x @ w1 + b1
    two = one + np.tanh(one) @ w2 + b2
    three = np.tanh(two) @ w3 + b3  # narrower: nothing to add to
    four = three + np.tanh(three) @ w4 + b4
    np.testing.assert_allclose(value(model, x), np.tanh(four) @ w5 + b5, rtol=1e-4, atol=1e-5)


def test_a_residual_layer_has_the_parameters_of_a_plain_one() -> None:
    fields: dict[str, Any] = {"input_shape": (4,), "units": [5, 5, 5], "head": LINEAR}

    plain, residual = zoo.build("mlp", **fields), zoo.build("mlp", **fields, residual=True)
    assert [w.path for w in residual.weights] == [w.path for w in plain.weights]


def test_stochastic_depth_falls_linearly_towards_the_first_residual_layer() -> None:
    model = zoo.build(
        "mlp",
        input_shape=(4,),
        units=[5, 5, 6, 6, 6, 6],
        residual=True,
        regularization={"stochastic_depth": 0.4},
        head=LINEAR,
    )

    rates = {layer.name: layer.rate for layer in model.layers if layer.name.endswith("_depth")}
    assert rates == pytest.approx(
        {"dense_2_depth": 0.1, "dense_4_depth": 0.2, "dense_5_depth": 0.3, "dense_6_depth": 0.4}
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"units": [3, 4], "activations": ["relu"]},
            "expected one for each of the 2 hidden layers, got 1; activation sets one for all",
        ),
        ({"units": [3], "activations": []}, "expected one for each of the 1 hidden layers, got 0"),
        ({"units": [3], "activations": "relu"}, r"activations: expected a list, such as \['relu'\]"),
        ({"units": [3], "activations": ["rleu"]}, r"activations\.0: unknown activation 'rleu'; did you mean 'relu'"),
        (
            {"units": [3], "activation": "tanh", "activations": ["relu"]},
            "either activation, for all layers, or activations",
        ),
        (
            {"units": [3, 4, 3], "residual": True},
            r"no two neighbours in units \[3, 4, 3\] are of equal width.*repeat a width, or leave residual out",
        ),
        ({"units": [3], "residual": 1}, r"residual: .*got 1 \(int\)"),
        (
            {"units": [3, 3], "regularization": {"stochastic_depth": 0.1}},
            "acts on residual branches.* this mlp has none",
        ),
        (
            {"units": [8, 12], "regularization": {"normalization": "group"}},
            "groups 8 does not divide the 12 channels",
        ),
        ({"bias_initializer": "orthogonal"}, "bias_initializer: 'orthogonal' fills matrices, and biases are vectors"),
    ],
    ids=str,
)
def test_an_impossible_choice_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.build("mlp", input_shape=(4,), head=LINEAR, **fields)


def test_activations_and_residual_survive_the_round_trip_through_yaml() -> None:
    config = zoo.ModelConfig.parse(
        {
            "architecture": "mlp",
            "input_shape": [4],
            "units": [5, 5],
            "activations": ["relu", {"kind": "leaky_relu", "negative_slope": 0.1}],
            "residual": True,
            "head": LINEAR,
        }
    )

    again = zoo.ModelConfig.from_yaml(config.to_yaml())
    assert again == config
    assert again.content_hash() == config.content_hash()


def test_the_residual_size_has_four_residual_layers_of_five() -> None:
    model = zoo.build("mlp_residual_small", input_shape=(10,), head=LINEAR)

    assert len([layer for layer in model.layers if isinstance(layer, keras.layers.Add)]) == 4
    # kernels without biases and four numbers per unit of batch normalization, five times; then the head
    assert model.count_params() == (10 * 64 + 4 * 64) + 4 * (64 * 64 + 4 * 64) + 65


def test_dropout_beside_a_named_size_does_not_switch_its_normalization_off() -> None:
    config = zoo.ModelConfig.parse(
        {
            "architecture": "mlp_residual_small",
            "input_shape": [10],
            "head": LINEAR,
            "regularization": {"dropout": 0.1},
        }
    )

    assert (config.regularization.normalization, config.regularization.dropout) == ("batch", 0.1)
