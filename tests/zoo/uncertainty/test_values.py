import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.uncertainty import calibrate_values, hold_out_values


def test_half_the_width_is_a_residual_of_the_rank_by_hand() -> None:
    values = np.zeros((9, 2))
    labels = np.stack([[1, -2, 3, -4, 5, -6, 7, -8, 9], [10, 20, 30, 40, 50, 60, 70, 80, 90]], axis=1)
    found = calibrate_values(values, labels, 0.8)  # 8 of 10
    assert (found.method, found.threshold, found.rows) == ("split", (8, 80), 9)


def test_coverage_is_that_of_the_unit_that_has_least() -> None:
    found = calibrate_values(np.zeros((9, 2)), np.arange(1.0, 19).reshape(2, 9).T, 0.9)
    held_out = hold_out_values(found, np.zeros((4, 2)), np.array([[9, 18], [9.1, 0], [-9.1, 0], [0, -19]]))
    assert (held_out.coverage, held_out.size, held_out.held_out_rows) == (0.5, 27, 4)


def test_intervals_hold_labels_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    truth, noise = random.normal(size=21_000), random.standard_t(4, size=21_000)
    values, labels = truth[:, np.newaxis], truth + noise
    found = hold_out_values(calibrate_values(values[:1000], labels[:1000], 0.9), values[1000:], labels[1000:])
    assert found.coverage == pytest.approx(0.9, abs=0.03)
    assert found.threshold[0] == pytest.approx(np.quantile(np.abs(noise), 0.9), rel=0.12)


def test_where_noise_grows_in_time_the_latest_rows_tell_more() -> None:
    random = np.random.default_rng(2)
    spread = np.linspace(1, 5, 600)
    labels = random.normal(size=600) * spread
    values = np.zeros((600, 1))
    covered = {
        decay: hold_out_values(
            calibrate_values(values[:400], labels[:400], 0.9, decay=decay), values[400:], labels[400:]
        ).coverage
        for decay in (1.0, 0.99)
    }
    assert (covered[1.0] or 0) + 0.05 < (covered[0.99] or 0) < 0.9  # closer, and still no promise
    assert calibrate_values(values, labels, 0.9, decay=0.99).method == "recent"


def test_too_few_rows_are_refused_with_how_many_it_takes() -> None:
    with pytest.raises(
        ConfigError, match=r"8 calibration rows are too few for intervals of level 0\.9.*: give 9 or more,"
    ):
        calibrate_values(np.zeros((8, 1)), np.zeros(8), 0.9)


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"got values \(9, 2\) and labels \(9, 1\)"):
        calibrate_values(np.zeros((9, 2)), np.zeros(9), 0.9)
