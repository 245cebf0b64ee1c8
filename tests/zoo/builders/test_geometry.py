import keras
import numpy as np
import pytest

from zoo.builders.geometry import Stage, check_geometry


def fits(side: int, kernel_size: int, strides: int) -> bool:
    try:
        check_geometry(side, "image", [Stage(kernel_size, strides, convolutions=1, pools=False)])
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_a_stage_fits_if_every_weight_of_its_kernel_meets_the_input(side: int, strides: int) -> None:
    # A first stage with strides of 16 leaves `side`, so that kernels larger than that get as far as the second stage.
    for kernel_size in range(1, 2 * side + 3):
        layer = keras.layers.Conv1D(1, kernel_size, strides=strides, padding="same", use_bias=False)
        layer.build((None, side, 1))
        used = []
        for weight in np.eye(kernel_size):
            layer.set_weights([weight.reshape(-1, 1, 1)])
            used.append(bool(np.any(layer(np.ones((1, side, 1))))))
        stages = [Stage(kernel_size, 16, 1, pools=False), Stage(kernel_size, strides, 1, pools=False)]
        try:
            check_geometry(side * 16, "image", stages)
        except ValueError:
            accepted = False
        else:
            accepted = True
        assert accepted == (all(used) and strides <= side), (kernel_size, used)


def test_a_kernel_as_large_as_the_input_fits_and_a_larger_one_does_not() -> None:
    assert fits(5, 5, 1)
    assert not fits(5, 6, 1)


@pytest.mark.parametrize(
    ("what", "side", "halvings"),
    # an image rounds down: 7, 3, 1; a series up: 7, 4, 2, 1
    [("image", 1, 0), ("image", 7, 2), ("image", 8, 3), ("series", 7, 3), ("series", 8, 3), ("series", 9, 4)],
)
def test_what_can_be_halved_can_be_halved_until_1_is_left(what: str, side: int, halvings: int) -> None:
    check_geometry(side, what, [Stage(1, 1, 1, pools=True)] * halvings)
    with pytest.raises(
        ValueError, match=f"stage {halvings + 1} gets 1 of the {side} .* which its pooling cannot halve"
    ):
        check_geometry(side, what, [Stage(1, 1, 1, pools=True)] * (halvings + 1))


def test_strides_beyond_what_is_left_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stage 2 gets 2 of the 8 .*less than its strides 3: give fewer stages"):
        check_geometry(8, "image", [Stage(1, 4, 1, pools=False), Stage(1, 3, 1, pools=False)])


def test_later_convolutions_of_a_stage_see_what_the_first_left() -> None:
    check_geometry(4, "image", [Stage(4, 4, 1, pools=False)])
    with pytest.raises(ValueError, match=r"stage 1 gets 4 of the 4 .* kernel_size 4, whose outer weights"):
        check_geometry(4, "image", [Stage(4, 4, 2, pools=False)])
