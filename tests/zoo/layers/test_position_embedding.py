import math

import keras
import numpy as np
import pytest

from zoo.layers.position_embedding import PositionEmbedding


def test_sinusoids_are_those_of_the_paper() -> None:
    width, steps = 6, 9
    got = keras.ops.convert_to_numpy(PositionEmbedding()(np.zeros((1, steps, width), "float32")))[0]

    for position in range(steps):
        for pair in range(width // 2):
            angle = position / 10000 ** (2 * pair / width)
            assert got[position, 2 * pair] == pytest.approx(math.sin(angle), abs=1e-5)
            assert got[position, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-5)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_rows_that_begin_elsewhere_get_the_positions_from_there(kind: str) -> None:
    layer, x = PositionEmbedding(kind, 9), np.ones((1, 9, 4), "float32")
    whole = keras.ops.convert_to_numpy(layer(x))[0]

    got = keras.ops.convert_to_numpy(layer(np.ones((2, 3, 4), "float32"), positions=np.array([2, 6])))

    np.testing.assert_allclose(got, [whole[2:5], whole[6:9]], atol=1e-6)


def test_a_learned_table_is_added_row_by_row() -> None:
    layer = PositionEmbedding("learned", 4)
    layer.build((None, None, 2))
    layer.set_weights([np.arange(8).reshape(4, 2)])

    got = keras.ops.convert_to_numpy(layer(np.full((1, 3, 2), 10, "float32")))

    np.testing.assert_array_equal(got[0], [[10, 11], [12, 13], [14, 15]])


def test_more_steps_than_the_table_has_are_an_error() -> None:
    with pytest.raises(Exception, match=r"[Ii]ncompatible shapes|broadcast"):
        PositionEmbedding("learned", 4)(np.zeros((1, 5, 2), "float32"))


def test_learned_positions_need_their_number() -> None:
    with pytest.raises(ValueError, match="need a max_length"):
        PositionEmbedding("learned")


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'rotary'"):
        PositionEmbedding("rotary")
