from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.config import InitializerConfig
from zoo.errors import ConfigError
from zoo.initializers import suitable
from zoo.keras_names import names_in

LINEAR = {"kind": "linear"}
RANDOM = [
    *("glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform"),
    *("orthogonal", "random_normal", "random_uniform", "truncated_normal", "variance_scaling"),
]
FIXED = ["constant", "identity", "ones", "zeros"]


def mlp(**fields: Any) -> keras.Model:
    return zoo.build("mlp", **{"input_shape": (40,), "units": [40, 40], "head": LINEAR, **fields})


def kernels(model: keras.Model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights if weight.path.endswith("kernel")]


def test_every_initializer_of_keras_but_stft_is_tested_here() -> None:
    assert sorted([*RANDOM, *FIXED, "stft"]) == names_in(keras.initializers)


# The variance of n normal numbers is known to sqrt(2 / n): to 0.6 % for the dense kernel here, 1 % for the convolution's.
@pytest.mark.parametrize(
    ("initializer", "dense", "convolution"),
    [
        # fan-in and fan-out of a 200 x 300 matrix; of 3 x 3 kernels from 32 to 64 channels
        ("he_normal", 2 / 200, 2 / (9 * 32)),
        ("he_uniform", 2 / 200, 2 / (9 * 32)),
        ("kaiming_normal", 2 / 200, 2 / (9 * 32)),
        ("kaiming_uniform", 2 / 200, 2 / (9 * 32)),
        ("glorot_normal", 2 / (200 + 300), 2 / (9 * 32 + 9 * 64)),
        ("glorot_uniform", 2 / (200 + 300), 2 / (9 * 32 + 9 * 64)),
        ("xavier_normal", 2 / (200 + 300), 2 / (9 * 32 + 9 * 64)),
        ("xavier_uniform", 2 / (200 + 300), 2 / (9 * 32 + 9 * 64)),
        ("lecun_normal", 1 / 200, 1 / (9 * 32)),
        ("lecun_uniform", 1 / 200, 1 / (9 * 32)),
        ({"kind": "random_normal", "stddev": 0.2}, 0.2**2, 0.2**2),
        ({"kind": "random_uniform", "minval": -0.3, "maxval": 0.3}, 0.6**2 / 12, 0.6**2 / 12),
    ],
    ids=str,
)
def test_the_variance_of_weights_is_that_of_the_paper(initializer: Any, dense: float, convolution: float) -> None:
    keras.utils.set_random_seed(11)
    of_mlp = kernels(mlp(input_shape=(200,), units=[300], kernel_initializer=initializer))[0]
    cnn = zoo.build("cnn", input_shape=(8, 8, 1), filters=[32, 64], kernel_initializer=initializer, head=LINEAR)

    assert of_mlp.mean() == pytest.approx(0, abs=5 * (dense / of_mlp.size) ** 0.5)
    assert of_mlp.var() == pytest.approx(dense, rel=0.03)
    assert kernels(cnn)[1].var() == pytest.approx(convolution, rel=0.05)


@pytest.mark.parametrize("initializer", ["he_normal", "glorot_normal"])
def test_weights_are_normal_where_that_is_said_and_uniform_where_not(initializer: str) -> None:
    uniform = initializer.replace("normal", "uniform")
    keras.utils.set_random_seed(11)
    drawn = {name: kernels(mlp(units=[500], kernel_initializer=name))[0] for name in (initializer, uniform)}

    # a uniform variable is never beyond sqrt(3) standard deviations
    beyond = {name: (np.abs(kernel) > 1.75 * kernel.std()).mean() for name, kernel in drawn.items()}
    assert beyond[uniform] == 0
    assert beyond[initializer] > 0.05


def test_orthogonal_kernels_have_orthonormal_columns() -> None:
    kernel = kernels(mlp(input_shape=(50,), units=[20], kernel_initializer="orthogonal"))[0]

    np.testing.assert_allclose(kernel.T @ kernel, np.eye(20), atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [
        ("relu", "he_normal"),
        ("leaky_relu", "he_normal"),
        ("prelu", "he_normal"),
        ("elu", "he_normal"),
        ("gelu", "he_normal"),
        ("silu", "he_normal"),
        ("softplus", "he_normal"),
        ("selu", "lecun_normal"),
        ("tanh", "glorot_uniform"),
        ("sigmoid", "glorot_uniform"),
        ("linear", "glorot_uniform"),
        ("softmax", "glorot_uniform"),
    ],
)
def test_the_initializer_suits_the_activation(activation: str, initializer: str) -> None:
    layer = mlp(activation=activation).get_layer("dense_1")

    assert suitable(activation) == initializer
    assert isinstance(layer.kernel_initializer, type(keras.initializers.get(initializer)))


def test_a_given_initializer_wins_over_the_suitable_one() -> None:
    model = mlp(activation="relu", kernel_initializer="lecun_uniform")

    begun = {layer.kernel_initializer.__class__.__name__ for layer in model.layers if hasattr(layer, "kernel")}
    assert begun == {"LecunUniform"}


def test_the_head_begins_as_suits_its_own_activation() -> None:
    assert isinstance(
        mlp(activation="relu").get_layer("features_to_value").kernel_initializer, keras.initializers.GlorotUniform
    )


def test_he_keeps_the_size_of_activations_through_ten_layers_of_relu_and_glorot_does_not() -> None:
    x = np.random.default_rng(0).normal(size=(200, 200)).astype("float32")

    def growth(initializer: str | None) -> float:
        keras.utils.set_random_seed(2)
        model = mlp(input_shape=(200,), units=[200] * 10, kernel_initializer=initializer)
        features = keras.Model(model.input, model.get_layer("dense_10_activation").output)(x).numpy()
        return float((features**2).mean() / (x**2).mean())

    # each relu halves the mean square, which he_normal doubles before: 1 in all; with glorot it is 2 ** -10
    assert 0.5 < growth(None) < 2
    assert growth("glorot_normal") == pytest.approx(2**-10, rel=0.5)


def test_separable_convolutions_keep_the_size_of_activations_through_six_layers() -> None:
    keras.utils.set_random_seed(4)
    model = zoo.build(
        "cnn",
        input_shape=(24, 24, 64),
        filters=[64],
        blocks=7,
        convolution="separable",
        pooling="none",
        head=LINEAR,
    )
    x = np.random.default_rng(0).normal(size=(2, 24, 24, 64)).astype("float32")

    layers = {1: "conv_1_activation", 7: "conv_1_7_activation"}
    first, last = (keras.Model(model.input, model.get_layer(name).output)(x).numpy() for name in layers.values())
    # the fan-in that Keras takes for a depthwise kernel would shrink this by 64 in every layer
    assert 0.1 < (last**2).mean() / (first**2).mean() < 10


def test_depthwise_kernels_have_the_variance_of_their_own_fan_in() -> None:
    keras.utils.set_random_seed(4)
    model = zoo.build(
        "cnn", input_shape=(8, 8, 1), filters=[256], blocks=2, convolution="separable", pooling="none", head=LINEAR
    )
    by_path = {weight.path: weight.numpy() for weight in model.weights}

    # 3 x 3 weights see one channel; 2,304 of them tell the variance to 3 %
    assert by_path["conv_1_2/depthwise_kernel"].var() == pytest.approx(1 / 9, rel=0.15)
    assert by_path["conv_1_2/pointwise_kernel"].var() == pytest.approx(2 / 256, rel=0.03)


def test_biases_begin_at_0() -> None:
    biases = [weight.numpy() for weight in mlp().weights if weight.path.endswith("bias")]

    assert len(biases) == 3
    assert not any(bias.any() for bias in biases)


def test_biases_begin_at_a_constant_on_request() -> None:
    biases = [weight.numpy() for weight in mlp(bias_initializer=0.01).weights if weight.path.endswith("bias")]

    assert len(biases) == 3
    assert {float(value) for bias in biases for value in bias} == {float(np.float32(0.01))}


@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        ("mlp", {"input_shape": (4,)}),
        ("mlp", {"input_shape": (4,), "regularization": {"normalization": "layer"}}),
        ("cnn", {"input_shape": (8, 8, 1), "units": [5]}),
        ("cnn", {"input_shape": (8, 2), "block": "residual", "convolution": "separable", "blocks": 2}),
    ],
)
def test_without_biases_no_linear_layer_has_one_not_even_in_the_heads(
    architecture: str, fields: dict[str, Any]
) -> None:
    heads = {"one": LINEAR, "two": {"kind": "softmax", "units": 3}}
    model = zoo.build(architecture, **fields, use_bias=False, heads=heads)

    assert [layer.name for layer in model.layers if getattr(layer, "use_bias", False)] == []
    assert [weight.path for weight in model.weights if weight.path.endswith("bias")] == []


@pytest.mark.parametrize("initializer", [None, *RANDOM])
def test_two_layers_of_equal_shape_never_begin_equal(initializer: str | None) -> None:
    one, two, _ = kernels(mlp(kernel_initializer=initializer))

    assert not np.allclose(one, two)


@pytest.mark.parametrize("fields", [{"block": "residual"}, {"convolution": "separable"}], ids=str)
@pytest.mark.parametrize("initializer", [None, "he_uniform"])
def test_no_two_convolutions_of_equal_shape_begin_equal(fields: dict[str, Any], initializer: str | None) -> None:
    model = zoo.build(
        "cnn", input_shape=(8, 8, 4), filters=[4], blocks=3, kernel_initializer=initializer, head=LINEAR, **fields
    )

    drawn = [kernel.tobytes() for kernel in kernels(model)]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("initializer", [None, *RANDOM, *FIXED])
def test_the_same_seed_gives_the_same_weights(initializer: str | None) -> None:
    drawn = []
    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        drawn.append(kernels(mlp(kernel_initializer=initializer)))

    for one, two in zip(drawn[0], drawn[1], strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.array_equal(drawn[0][0], drawn[2][0]) == (initializer in FIXED)


def test_choosing_an_initializer_draws_no_random_numbers() -> None:
    keras.utils.set_random_seed(7)
    undisturbed = kernels(mlp())[0]
    keras.utils.set_random_seed(7)
    InitializerConfig.parse({"kind": "glorot_normal"})

    np.testing.assert_array_equal(kernels(mlp())[0], undisturbed)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("xavier_uniform", "glorot_uniform"),
        ("xavier_normal", {"kind": "glorot_normal"}),
        ("kaiming_normal", "he_normal"),
        (0, "zeros"),
        ({"kind": "constant", "value": 0}, "zeros"),
        (0.5, {"kind": "constant", "value": 0.5}),
    ],
    ids=str,
)
def test_one_choice_in_other_words_is_the_same_choice(written: Any, same: Any) -> None:
    one, two = InitializerConfig.model_validate(written), InitializerConfig.model_validate(same)

    assert one == two == InitializerConfig.model_validate(one.model_dump())


@pytest.mark.parametrize(
    ("initializer", "message"),
    [
        ("he_normla", "unknown initializer 'he_normla'; did you mean 'he_normal'"),
        ("xavier", "unknown initializer 'xavier'"),
        ("HeNormal", "unknown initializer 'HeNormal'"),
        ("keras_zoo>StochasticDepth", "expected a class that extends Initializer"),
        (float("nan"), "'value': expected a finite number, got nan"),
        ({"kind": "truncated_normal", "stddev": float("inf")}, "'stddev': expected a finite number, got inf"),
        ("stft", "fills spectrogram layers only"),
        (True, r"got True \(bool\)"),
        ([0.1], r"got \[0\.1\] \(list\)"),
        ({"kind": "he_normal", "scale": 2.0}, "'he_normal' has no argument 'scale'"),
        ({"kind": "he_normal", "seed": 7}, "a seed would make all weights of one shape begin alike"),
        ({"kind": "truncated_normal", "stddev": "0.1"}, r"stddev: expected a number, got '0\.1' \(str\)"),
        ({"kind": "truncated_normal", "stddev": True}, r"stddev: expected a number, got True \(bool\)"),
        ({"kind": "variance_scaling", "mode": "fan"}, "'variance_scaling' refuses {'mode': 'fan'}"),
        ({"kind": "variance_scaling", "mode": 1}, "mode: expected text such as 'fan_in', got 1"),
    ],
    ids=str,
)
def test_what_is_no_initializer_is_refused(initializer: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mlp(kernel_initializer=initializer)
