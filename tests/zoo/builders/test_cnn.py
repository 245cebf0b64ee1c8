from typing import Any

import numpy as np
import pytest

import zoo

HEAD = {"kind": "softmax", "units": 10}


def build(**fields: Any) -> Any:
    return zoo.build("cnn", **{"input_shape": (8, 8, 1), "filters": [4], "head": HEAD, **fields})


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        # kernel height * width * channels in * channels out + a bias per channel out; then the head
        ({}, (3 * 3 * 1 * 4 + 4) + (4 * 10 + 10)),
        ({"kernel_size": 5}, (5 * 5 * 1 * 4 + 4) + (4 * 10 + 10)),
        ({"input_shape": (8, 8, 3)}, (3 * 3 * 3 * 4 + 4) + (4 * 10 + 10)),
        ({"filters": [4, 6]}, (3 * 3 * 1 * 4 + 4) + (3 * 3 * 4 * 6 + 6) + (6 * 10 + 10)),
        ({"units": [7]}, (3 * 3 * 1 * 4 + 4) + (4 * 7 + 7) + (7 * 10 + 10)),
        # one halving leaves 4 x 4 pixels of 4 channels
        ({"global_pooling": "flatten"}, (3 * 3 * 1 * 4 + 4) + (4 * 4 * 4 * 10 + 10)),
        ({"regularization": {"normalization": "batch"}}, 3 * 3 * 1 * 4 + 4 * 4 + (4 * 10 + 10)),
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
    ],
)
def test_pooling_is_what_it_is_called(pooling: str, global_pooling: str, expected: float) -> None:
    model = zoo.build(
        "cnn",
        input_shape=(4, 4, 1),
        filters=[1],
        kernel_size=1,
        pooling=pooling,
        global_pooling=global_pooling,
        head={"kind": "linear"},
    )
    model.set_weights(
        [np.ones((1, 1, 1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)]
    )  # the identity, but for pooling

    value = model(np.arange(16.0).reshape(1, 4, 4, 1))["value"]
    assert float(value[0, 0]) == expected


def test_convolution_is_the_sum_over_the_window_with_zeros_outside() -> None:
    model = zoo.build(
        "cnn", input_shape=(3, 3, 1), filters=[1], pooling="max", global_pooling="flatten", head={"kind": "linear"}
    )
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    model.set_weights([kernel, np.ones(1), np.ones((1, 1)), np.zeros(1)])
    image = np.arange(1.0, 10.0).reshape(3, 3)

    padded = np.pad(image, 1)
    by_hand = [[(padded[i : i + 3, j : j + 3] * kernel[..., 0, 0]).sum() + 1 for j in range(3)] for i in range(3)]
    # 2x2 pooling of 3x3 pixels sees the upper left four only
    assert float(model(image.reshape(1, 3, 3, 1))["value"][0, 0]) == np.max(np.array(by_hand)[:2, :2])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input_shape": (64,)}, r"input_shape of a cnn is \(height, width, channels\), got \(64,\)"),
        ({"input_shape": (8, 8)}, r"got \(8, 8\); a grey image has 1 channel"),
        ({"input_shape": (1, 8, 8, 1)}, "got .1, 8, 8, 1."),
        ({"kernel_size": 9}, r"kernel_size 9 is larger than the image, \(8, 8\)"),
        ({"input_shape": (16, 2, 1)}, r"kernel_size 3 is larger than the image, \(16, 2\)"),
        ({"filters": [4, 4, 4, 4]}, r"filters has 4 stages, .* \(8, 8\) can be halved 3 times"),
        ({"filters": []}, "filters: .*at least 1 item"),
        ({"pooling": "min"}, "pooling: got 'min' .*known: average, max"),
    ],
    ids=str,
)
def test_an_impossible_geometry_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        build(**fields)


@pytest.mark.parametrize("side", [3, 4, 7, 8, 9, 15, 16])
def test_an_image_can_be_halved_as_often_as_is_said(side: int) -> None:
    stages = next(n for n in range(side) if side // 2**n == 1)  # halving rounds down; one pixel is the last

    model = build(input_shape=(side, side, 1), filters=[2] * stages, global_pooling="flatten")

    assert model.output["probabilities"].shape == (None, 10)
