from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.layers.stochastic_depth import StochasticDepth


def test_whole_rows_are_zeroed_and_the_others_scaled_so_that_the_mean_stays() -> None:
    drawn = StochasticDepth(0.25, seed=1)(np.ones((10_000, 2, 3)), training=True).numpy()

    assert (drawn == drawn[:, :1, :1]).all()
    np.testing.assert_allclose(np.unique(drawn), [0, 4 / 3], rtol=1e-6)
    # variance 1/3 of a row, so the mean of 10,000 has a standard deviation of .0058; within five
    assert drawn[:, 0, 0].mean() == pytest.approx(1, abs=0.029)


def test_two_calls_drop_different_rows() -> None:
    layer, x = StochasticDepth(0.5, seed=1), np.ones((100, 1))

    assert not np.array_equal(layer(x, training=True).numpy(), layer(x, training=True).numpy())


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.0, True)])
def test_nothing_happens_at_inference_or_without_a_chance(*, rate: float, training: bool) -> None:
    x = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")

    np.testing.assert_array_equal(StochasticDepth(rate)(x, training=training).numpy(), x)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2])
def test_a_rate_that_is_no_chance_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=f"expected 0 <= rate < 1, got {rate}"):
        StochasticDepth(rate)


def test_it_is_saved_with_its_rate(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), StochasticDepth(0.3, seed=4, name="depth")])
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras").get_layer("depth")
    assert (loaded.rate, loaded.seed) == (0.3, 4)


def test_masks_and_half_precision_pass_through() -> None:
    layer = StochasticDepth(0.5, dtype="mixed_float16")

    assert layer(np.ones((4, 2)), training=True).dtype == "float16"
    assert layer.supports_masking
