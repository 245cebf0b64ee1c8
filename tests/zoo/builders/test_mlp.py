import numpy as np

import zoo


def test_the_forward_pass_is_matrix_products_by_hand() -> None:
    model = zoo.build("mlp", input_shape=(4,), units=[5, 6], activation="tanh", head={"kind": "softmax", "units": 3})
    random = np.random.default_rng(1)
    w1, b1, w2, b2, w3, b3 = (
        random.normal(size=shape).astype("float32") for shape in [(4, 5), (5,), (5, 6), (6,), (6, 3), (3,)]
    )
    model.set_weights([w1, b1, w2, b2, w3, b3])
    x = random.normal(size=(7, 4)).astype("float32")

    logits = np.tanh(np.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)

    np.testing.assert_allclose(model(x)["probabilities"].numpy(), expected, atol=1e-6)


def test_relu_is_the_default_activation() -> None:
    model = zoo.build("mlp", input_shape=(1,), units=[2], head={"kind": "linear"})
    model.set_weights([np.array([[1.0, -1.0]]), np.zeros(2), np.array([[1.0], [10.0]]), np.zeros(1)])

    # relu(3) + 10 relu(-3) = 3 and relu(-3) + 10 relu(3) = 30
    np.testing.assert_array_equal(model(np.array([[3.0], [-3.0]]))["value"].numpy(), [[3.0], [30.0]])


def test_an_input_of_several_axes_is_flattened_row_by_row() -> None:
    model = zoo.build("mlp", input_shape=(2, 3), units=[1], activation="linear", head={"kind": "linear"})
    kernel = np.array([[1.0], [10.0], [100.0], [1e3], [1e4], [1e5]])
    model.set_weights([kernel, np.zeros(1), np.ones((1, 1)), np.zeros(1)])

    assert float(model(np.array([[[1, 2, 3], [4, 5, 6]]]))["value"][0, 0]) == 654321


def test_batch_normalization_has_four_parameters_per_unit_and_no_bias() -> None:
    model = zoo.build(
        "mlp", input_shape=(3,), units=[4], regularization={"normalization": "batch"}, head={"kind": "sigmoid"}
    )

    assert model.count_params() == 3 * 4 + 4 * 4 + (4 * 1 + 1)


def test_the_default_has_two_hidden_layers_of_64() -> None:
    model = zoo.build("mlp", input_shape=(10,), head={"kind": "sigmoid"})

    assert model.count_params() == (10 * 64 + 64) + (64 * 64 + 64) + (64 + 1)
