from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.registry import example_config

HEAD = {"kind": "softmax", "units": 10}
LINEAR = {"kind": "linear"}


def build(**fields: Any) -> Any:
    return zoo.build("cnn", **{"input_shape": (8, 8, 1), "filters": [4], "head": HEAD, **fields})


def draw_weights(model: keras.Model) -> list[np.ndarray]:
    """Set every weight, biases too, to random values; return them."""
    random = np.random.default_rng(1)
    weights = [random.normal(size=weight.shape).astype("float32") for weight in model.get_weights()]
    model.set_weights(weights)
    return weights


def value(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return model(x)["value"].numpy()


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        # kernel height * width * channels in * channels out + a bias per channel out; then the head
        ({}, (3 * 3 * 1 * 4 + 4) + (4 * 10 + 10)),
        ({"kernel_size": 5}, (5 * 5 * 1 * 4 + 4) + (4 * 10 + 10)),
        ({"filters": [4, 6], "kernel_size": [5, 1]}, (5 * 5 * 1 * 4 + 4) + (1 * 1 * 4 * 6 + 6) + (6 * 10 + 10)),
        ({"input_shape": (8, 8, 3)}, (3 * 3 * 3 * 4 + 4) + (4 * 10 + 10)),
        ({"filters": [4, 6]}, (3 * 3 * 1 * 4 + 4) + (3 * 3 * 4 * 6 + 6) + (6 * 10 + 10)),
        ({"blocks": 3}, (3 * 3 * 1 * 4 + 4) + 2 * (3 * 3 * 4 * 4 + 4) + (4 * 10 + 10)),
        (
            {"filters": [4, 6], "blocks": [1, 2]},
            (3 * 3 * 1 * 4 + 4) + (3 * 3 * 4 * 6 + 6) + (3 * 3 * 6 * 6 + 6) + (6 * 10 + 10),
        ),
        ({"units": [7]}, (3 * 3 * 1 * 4 + 4) + (4 * 7 + 7) + (7 * 10 + 10)),
        # one halving leaves 4 x 4 pixels of 4 channels
        ({"global_pooling": "flatten"}, (3 * 3 * 1 * 4 + 4) + (4 * 4 * 4 * 10 + 10)),
        ({"global_pooling": "flatten", "pooling": "none"}, (3 * 3 * 1 * 4 + 4) + (8 * 8 * 4 * 10 + 10)),
        # strides of 3 leave 3 x 3 pixels of 8 x 8
        ({"global_pooling": "flatten", "pooling": "none", "strides": 3}, (3 * 3 * 1 * 4 + 4) + (3 * 3 * 4 * 10 + 10)),
        ({"regularization": {"normalization": "batch"}}, 3 * 3 * 1 * 4 + 4 * 4 + (4 * 10 + 10)),
        # layer normalization takes one mean over the channels, so biases keep their effect
        ({"regularization": {"normalization": "layer"}}, (3 * 3 * 1 * 4 + 4) + 2 * 4 + (4 * 10 + 10)),
        # the first is ordinary; then a kernel per channel, and one of size 1 over the channels with biases
        (
            {"convolution": "separable", "filters": [4, 6]},
            (3 * 3 * 1 * 4 + 4) + (3 * 3 * 4 + 4 * 6 + 6) + (6 * 10 + 10),
        ),
        # a first convolution, then two
        ({"block": "residual"}, (3 * 3 * 1 * 4 + 4) + 2 * (3 * 3 * 4 * 4 + 4) + (4 * 10 + 10)),
        # a shortcut of size 1 without biases where the channels change
        (
            {"block": "residual", "filters": [4, 6]},
            (3 * 3 * 1 * 4 + 4)
            + 2 * (3 * 3 * 4 * 4 + 4)
            + (3 * 3 * 4 * 6 + 6 + 3 * 3 * 6 * 6 + 6 + 4 * 6)
            + (6 * 10 + 10),
        ),
        ({"input_shape": (8, 2)}, (3 * 2 * 4 + 4) + (4 * 10 + 10)),
        (
            {"input_shape": (8, 2), "convolution": "separable", "blocks": 2},
            (3 * 2 * 4 + 4) + (3 * 4 + 4 * 4 + 4) + (4 * 10 + 10),
        ),
    ],
    ids=str,
)
def test_parameters_are_those_counted_by_hand(fields: dict[str, Any], parameters: int) -> None:
    assert build(**fields).count_params() == parameters


@pytest.mark.parametrize(
    ("pooling", "global_pooling", "expected"),
    [
        ("max", "average", (5 + 7 + 13 + 15) / 4),
        ("average", "average", 7.5),
        ("max", "max", 15),
        ("average", "max", (10 + 11 + 14 + 15) / 4),
        ("none", "max", 15),
    ],
)
def test_pooling_is_what_it_is_called(pooling: str, global_pooling: str, expected: float) -> None:
    model = build(
        input_shape=(4, 4, 1), filters=[1], kernel_size=1, pooling=pooling, global_pooling=global_pooling, head=LINEAR
    )
    model.set_weights(
        [np.ones((1, 1, 1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)]
    )  # the identity, but for pooling

    assert float(value(model, np.arange(16.0).reshape(1, 4, 4, 1))[0, 0]) == expected


@pytest.mark.parametrize(
    ("pooling", "global_pooling", "expected"),
    [
        # 0 1 | 2 3 | 4: the last window is shorter, so that no step is lost
        ("max", "average", (1 + 3 + 4) / 3),
        ("max", "max", 4),
        ("average", "average", (0.5 + 2.5 + 4) / 3),
        ("average", "max", 4),
    ],
)
def test_pooling_a_series_loses_no_step(pooling: str, global_pooling: str, expected: float) -> None:
    model = build(
        input_shape=(5, 1), filters=[1], kernel_size=1, pooling=pooling, global_pooling=global_pooling, head=LINEAR
    )
    model.set_weights([np.ones((1, 1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)])

    assert float(value(model, np.arange(5.0).reshape(1, 5, 1))[0, 0]) == pytest.approx(expected)


def test_convolution_is_the_sum_over_the_window_with_zeros_outside() -> None:
    model = build(input_shape=(3, 3, 1), filters=[1], global_pooling="flatten", head=LINEAR)
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    model.set_weights([kernel, np.ones(1), np.ones((1, 1)), np.zeros(1)])
    image = np.arange(1.0, 10.0).reshape(3, 3)

    padded = np.pad(image, 1)
    by_hand = [[(padded[i : i + 3, j : j + 3] * kernel[..., 0, 0]).sum() + 1 for j in range(3)] for i in range(3)]
    # 2x2 pooling of 3x3 pixels sees the upper left four only
    assert float(value(model, image.reshape(1, 3, 3, 1))[0, 0]) == np.max(np.array(by_hand)[:2, :2])


def test_convolution_of_a_series_is_the_sum_over_the_window() -> None:
    model = build(
        input_shape=(4, 2), filters=[3], pooling="none", global_pooling="max", activation="linear", head=LINEAR
    )
    kernel, bias, head, offset = draw_weights(model)
    x = np.random.default_rng(2).normal(size=(1, 4, 2))

    padded = np.pad(x[0], ((1, 1), (0, 0)))
    maps = np.array([np.einsum("kc,kcf->f", padded[step : step + 3], kernel) + bias for step in range(4)])
    np.testing.assert_allclose(value(model, x)[0], maps.max(axis=0) @ head + offset, rtol=1e-4)


def test_a_separable_convolution_is_one_per_channel_and_then_one_over_the_channels() -> None:
    model = build(
        input_shape=(4, 4, 2),
        filters=[2],
        blocks=2,
        convolution="separable",
        pooling="none",
        global_pooling="flatten",
        activation="linear",
        head=LINEAR,
    )
    first, first_bias, depthwise, pointwise, bias, head, offset = draw_weights(model)
    x = np.random.default_rng(2).normal(size=(1, 4, 4, 2))

    def windows(maps: np.ndarray) -> np.ndarray:
        padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
        return np.array([[padded[i : i + 3, j : j + 3] for j in range(4)] for i in range(4)])

    maps = np.einsum("ijabc,abcf->ijf", windows(x[0]), first) + first_bias
    per_channel = np.einsum("ijabc,abc->ijc", windows(maps), depthwise[..., 0])
    maps = per_channel @ pointwise[0, 0] + bias
    np.testing.assert_allclose(value(model, x)[0], maps.reshape(-1) @ head + offset, rtol=1e-3)


@pytest.mark.parametrize("shape", [(5, 5, 2), (5, 2)], ids=["image", "series"])
def test_a_residual_block_adds_two_convolutions_to_what_came_in(shape: tuple[int, ...]) -> None:
    # with kernels of size 1 every pixel is a perceptron of its own
    model = build(
        input_shape=shape,
        filters=[3, 4],
        block="residual",
        kernel_size=1,
        pooling="none",
        global_pooling="flatten",
        activation="tanh",
        head=LINEAR,
    )
    draw_weights(model)
    kernel = {layer.name: np.squeeze(layer.get_weights()[0]) for layer in model.layers if layer.weights}
    bias = {layer.name: layer.get_weights()[-1] for layer in model.layers if layer.weights}
    x = np.random.default_rng(2).normal(size=(2, *shape)).astype("float32")

    def linear(maps: np.ndarray, name: str) -> np.ndarray:
        return maps @ kernel[name] + bias[name]

    one = linear(x, "stem")
    two = one + linear(np.tanh(linear(np.tanh(one), "block_1_1_conv_1")), "block_1_1_conv_2")
    activated = np.tanh(two)
    shortcut = activated @ kernel["block_2_1_shortcut"]
    three = shortcut + linear(np.tanh(linear(activated, "block_2_1_conv_1")), "block_2_1_conv_2")
    by_hand = np.tanh(three).reshape(2, -1) @ model.get_weights()[-2] + model.get_weights()[-1]
    np.testing.assert_allclose(value(model, x), by_hand, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(7, 2), (8, 6, 2)], ids=["series", "image"])
def test_a_shortcut_with_strides_sees_the_first_of_every_few(shape: tuple[int, ...]) -> None:
    model = build(
        input_shape=shape,
        filters=[3],
        block="residual",
        kernel_size=3,
        strides=2,
        pooling="none",
        global_pooling="flatten",
        activation="linear",
        head=LINEAR,
    )
    draw_weights(model)
    branch = model.get_layer("block_1_1_conv_2")
    branch.set_weights([0 * weight for weight in branch.get_weights()])  # the block adds nothing to its shortcut
    x = np.random.default_rng(2).normal(size=(2, *shape)).astype("float32")

    before = keras.Model(model.input, model.get_layer("stem").output)(x).numpy()
    seen = before[(slice(None), *[slice(None, None, 2)] * (len(shape) - 1))]
    shortcut = seen @ np.squeeze(model.get_layer("block_1_1_shortcut").get_weights()[0])
    by_hand = shortcut.reshape(2, -1) @ model.get_weights()[-2] + model.get_weights()[-1]
    np.testing.assert_allclose(value(model, x), by_hand, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("block", ["plain", "residual"])
@pytest.mark.parametrize("convolution", ["ordinary", "separable"])
def test_without_activations_biases_and_max_pooling_a_cnn_is_linear(block: str, convolution: str) -> None:
    model = build(
        filters=[3, 5],
        blocks=2,
        block=block,
        convolution=convolution,
        pooling="average",
        activation="linear",
        use_bias=False,
        head={"kind": "linear", "units": 4},
    )
    x, y = np.random.default_rng(0).normal(size=(2, 3, 8, 8, 1)).astype("float32")

    np.testing.assert_allclose(value(model, 2 * x - 3 * y), 2 * value(model, x) - 3 * value(model, y), atol=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"input_shape": (64,)},
            r"cnn is \(height, width, channels\) or, of a series, \(steps, channels\), got \(64,\)",
        ),
        ({"input_shape": (1, 8, 8, 1)}, "got .1, 8, 8, 1.; a grey image has 1 channel"),
        ({"kernel_size": 9}, "kernel_size 9 is larger than the image, of side 8"),
        (
            {"kernel_size": [3, 3]},
            r"kernel_size: expected one number, or one for each of the 1 stages in filters, got \[3, 3\]",
        ),
        ({"input_shape": (16, 2, 1)}, "kernel_size 3 is larger than the image, of side 2"),
        ({"input_shape": (2, 16)}, "kernel_size 3 is larger than the series, of side 2"),
        ({"filters": [4, 4, 4, 4]}, "stage 4 gets 1 of the 8 .*pooling cannot halve: give fewer stages in filters"),
        ({"filters": [4, 4], "strides": 4, "kernel_size": 4}, "stage 2 gets 1 of the 8 .*less than its strides 4"),
        ({"strides": 4}, "strides: 4 steps over pixels that no kernel of size 3 sees: give strides <= 3"),
        (
            {"filters": [4, 4], "strides": [4, 1], "kernel_size": 5, "pooling": "none"},
            "stage 2 gets 2 of the 8 .*too little for kernel_size 5",
        ),
        ({"filters": []}, "filters: .*at least 1 item"),
        ({"blocks": 0}, r"blocks\.0: .*greater than 0"),
        ({"blocks": [1, 2]}, r"blocks: expected one number, or one for each of the 1 stages in filters, got \[1, 2\]"),
        ({"strides": [1, 2]}, r"strides: expected one number, or one for each of the 1 stages"),
        ({"strides": True}, r"strides: .*got True \(bool\)"),
        ({"strides": 1.5}, r"strides: .*got 1\.5 \(float\)"),
        ({"pooling": "min"}, "pooling: got 'min' .*known: average, max"),
        ({"block": "dense"}, "block: got 'dense' .*known: plain, residual"),
        ({"convolution": "seperable"}, "did you mean 'separable'"),
        ({"kernel_initializer": "identity"}, "'identity' fills matrices, not the kernels of convolutions"),
        (
            {"input_shape": (None, 8, 1)},
            r"axis 0 of \[None, 8, 1\].* must have a fixed size: cnn takes null for the steps",
        ),
        ({"input_shape": (8, None)}, "axis 1 .* must have a fixed size"),
        (
            {"input_shape": (None, 8), "global_pooling": "flatten"},
            "must have a fixed size: .*global_pooling average or max",
        ),
        ({"regularization": {"stochastic_depth": 0.1}}, "acts on residual branches.* this cnn has none"),
        ({"regularization": {"recurrent_dropout": 0.1}}, "acts on recurrent steps"),
        ({"filters": [8, 12], "regularization": {"normalization": "group"}}, "8 does not divide the 12 channels"),
        ({"filters": [8], "units": [12], "regularization": {"normalization": "group"}}, "not divide the 12 channels"),
    ],
    ids=str,
)
def test_an_impossible_choice_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        build(**fields)


@pytest.mark.parametrize("side", [3, 4, 7, 8, 9, 15, 16])
def test_an_image_can_be_halved_as_often_as_is_said(side: int) -> None:
    stages = next(n for n in range(side) if side // 2**n == 1)  # halving rounds down; one pixel is the last

    model = build(input_shape=(side, side, 1), filters=[2] * stages, global_pooling="flatten")

    assert model.output["probabilities"].shape == (None, 10)


@pytest.mark.parametrize("steps", [1, 2, 3, 9])
@pytest.mark.parametrize("global_pooling", ["average", "max"])
def test_a_series_may_be_of_any_length(steps: int, global_pooling: str) -> None:
    model = build(input_shape=(None, 8), filters=[4, 4], global_pooling=global_pooling)

    answer = model(np.random.default_rng(0).normal(size=(2, steps, 8)))["probabilities"].numpy()
    np.testing.assert_allclose(answer.sum(axis=-1), 1, rtol=1e-6)


def test_one_number_is_for_every_stage() -> None:
    fields = {"architecture": "cnn", "input_shape": [8, 8, 1], "filters": [4, 4], "head": HEAD}
    one, each = (zoo.ModelConfig.parse({**fields, "blocks": blocks}) for blocks in (2, [2, 2]))

    assert zoo.build(one).count_params() == zoo.build(each).count_params()


def test_one_number_and_a_list_of_it_are_the_same_choice() -> None:
    fields = {"architecture": "cnn", "input_shape": [16, 16, 1], "head": HEAD}
    number, listed = (zoo.ModelConfig.parse({**fields, "strides": strides}) for strides in (2, [2]))

    assert number == listed == zoo.ModelConfig.from_yaml(number.to_yaml())
    assert number.content_hash() == listed.content_hash()


def test_stochastic_depth_grows_linearly_over_all_stages() -> None:
    model = build(filters=[4, 6], blocks=2, block="residual", regularization={"stochastic_depth": 0.4})

    rates = [layer.rate for layer in model.layers if layer.name.endswith("_depth")]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("block", ["plain", "residual"])
def test_spatial_dropout_follows_every_activation_of_maps(block: str) -> None:
    model = build(block=block, filters=[4, 6], units=[3], regularization={"spatial_dropout": 0.1})

    kind = keras.layers.SpatialDropout2D
    dropped = {layer.input.name: layer for layer in model.layers if isinstance(layer, kind)}
    activated = {layer.output.name for layer in model.layers if layer.name.endswith("_activation")}
    of_maps = {name for name in activated if not name.startswith(model.get_layer("dense_1_activation").output.name)}
    assert dropped.keys() == of_maps


@pytest.mark.parametrize("name", zoo.list_models(family="cnn"))
def test_every_size_builds_from_its_example(name: str) -> None:
    model = zoo.build(example_config(name))

    assert model.output["probabilities"].shape == (None, 10)


@pytest.mark.parametrize(("name", "layers"), [("resnet_tiny", 8), ("resnet_small", 20)])
def test_a_resnet_has_the_layers_of_the_paper(name: str, layers: int) -> None:
    model = zoo.build(name, input_shape=(32, 32, 3), head=HEAD)

    # 6n + 2: the first convolution, three stages of n blocks of two, and the head; shortcuts of size 1 are not counted
    counted = [layer for layer in model.layers if hasattr(layer, "kernel") and not layer.name.endswith("shortcut")]
    assert len(counted) == layers


def test_resnet_small_has_the_0_27_million_parameters_of_resnet_20() -> None:
    model = zoo.build("resnet_small", input_shape=(32, 32, 3), head=HEAD)

    assert round(sum(weight.shape.num_elements() for weight in model.trainable_weights) / 1e6, 2) == 0.27


def test_a_size_for_images_takes_a_series_as_well() -> None:
    model = zoo.build("resnet_tiny", input_shape=(32, 3), head=HEAD)

    assert isinstance(model.get_layer("stem"), keras.layers.Conv1D)
