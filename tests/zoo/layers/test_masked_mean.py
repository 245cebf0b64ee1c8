from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.layers.masked_mean import MaskedMean

STEPS = np.array([[[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]], [[5.0, 7.0], [np.nan, np.inf], [np.nan, np.nan]]], "float32")


def test_only_steps_that_count_are_averaged() -> None:
    mask = np.array([[True, False, True], [True, False, False]])

    np.testing.assert_array_equal(MaskedMean()(STEPS, mask=mask), [[3.5, 35.0], [5.0, 7.0]])


def test_without_a_mask_all_steps_count() -> None:
    np.testing.assert_array_equal(MaskedMean()(STEPS[:1]), [[3.0, 30.0]])


def test_padding_alone_gives_0() -> None:
    np.testing.assert_array_equal(MaskedMean()(STEPS, mask=np.zeros((2, 3), bool)), np.zeros((2, 2)))


@pytest.mark.parametrize("masked", [True, False])
def test_half_precision_does_not_lose_steps(*, masked: bool) -> None:
    ones = np.ones((1, 1024, 1), "float32")  # bfloat16 counts to 256 and no further
    layer = MaskedMean(dtype="mixed_bfloat16")

    assert float(layer(ones, mask=np.ones((1, 1024), bool) if masked else None)[0, 0]) == 1


def test_it_is_saved_within_a_model(tmp_path: Path) -> None:
    inputs = keras.Input((None, 2), name="inputs")
    model = keras.Model(inputs, MaskedMean()(inputs, mask=keras.ops.any(inputs > 1, axis=-1)))
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert loaded.output.shape == (None, 2)
    np.testing.assert_array_equal(loaded(np.array([[[0.0, 0.0], [4.0, 8.0]]])), [[4.0, 8.0]])
