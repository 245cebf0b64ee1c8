"""Facts of textbooks that a model of this registry must bear out."""

import keras
import numpy as np
import pytest

import zoo


def shapes(model: keras.Model, kind: str) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in model.weights if weight.path.endswith(kind)]


def test_a_perceptron_784_16_16_10_has_13002_weights_and_biases() -> None:
    model = zoo.build("mlp", input_shape=(784,), units=[16, 16], head={"kind": "softmax", "units": 10})

    assert model.count_params() == 784 * 16 + 16 * 16 + 16 * 10 + 16 + 16 + 10 == 13_002


def test_a_perceptron_3_4_1_has_16_weights_and_5_biases() -> None:
    model = zoo.build("mlp", input_shape=(3,), units=[4], head={"kind": "sigmoid"})

    assert sum(rows * columns for rows, columns in shapes(model, "kernel")) == 3 * 4 + 4 * 1 == 16
    assert sum(size for (size,) in shapes(model, "bias")) == 4 + 1 == 5
    assert model.count_params() == 21


def test_a_binary_classifier_of_784_features_ends_in_one_sigmoid() -> None:
    model = zoo.build("mlp", input_shape=(784,), head={"kind": "sigmoid"})
    x = np.random.default_rng(0).normal(size=(5, 784))

    chance = model(x)["probabilities"].numpy()
    logit = keras.Model(model.input, model.get_layer("logits").output)(x).numpy()
    assert chance.shape == (5, 1)
    np.testing.assert_allclose(chance, 1 / (1 + np.exp(-logit)), rtol=1e-5)


def test_a_classifier_of_1000_features_into_ten_classes_ends_in_ten_chances_that_sum_to_1() -> None:
    model = zoo.build("mlp", input_shape=(1000,), head={"kind": "softmax", "units": 10})

    chances = model(np.random.default_rng(0).normal(size=(5, 1000)))["probabilities"].numpy()
    assert chances.shape == (5, 10)
    assert (chances > 0).all()
    np.testing.assert_allclose(chances.sum(axis=-1), 1, rtol=1e-6)


@pytest.mark.parametrize("target", [-1e6, 1e6])
def test_a_regressor_of_20_features_ends_in_one_value_without_bounds(target: float) -> None:
    model = zoo.build("mlp", input_shape=(20,), head={"kind": "linear"})
    model.get_layer("features_to_value").bias.assign([target])

    value = model(np.zeros((1, 20)))["value"].numpy()
    assert value.tolist() == [[target]]
