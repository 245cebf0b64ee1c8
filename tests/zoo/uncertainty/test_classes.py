import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom

from zoo.errors import ConfigError
from zoo.uncertainty import calibrate_classes, hold_out_classes
from zoo.uncertainty.classes import sets_of


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits three times too sure, and labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=1.5, size=(rows, 5))
    labels = (random.uniform(size=(rows, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return logits * 3, labels


def test_sets_hold_the_label_as_often_as_they_say_and_confidence_becomes_true() -> None:
    found = hold_out_classes(calibrate_classes(*drawn(4000, 1), 0.9), *drawn(20_000, 2))
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.coverage == pytest.approx(0.9, abs=0.02)
    assert found.coverage_interval is not None
    assert found.calibration_error is not None
    assert found.coverage_interval[0] < found.coverage < found.coverage_interval[1]
    assert found.calibration_error[0] > 0.15
    assert found.calibration_error[1] < 0.02
    assert found.size is not None
    assert 1 < found.size < 5
    assert found.reliability is not None
    assert sum(found.reliability.rows) == 20_000
    np.testing.assert_allclose(found.reliability.accuracy[5:], found.reliability.confidence[5:], atol=0.04)
    assert (found.method, found.rows, found.held_out_rows) == ("temperature+lac", 4000, 20_000)


def test_over_many_small_calibrations_coverage_is_at_least_the_level() -> None:
    logits, labels = drawn(60 * 300, 3)
    hits = 0
    for start in range(0, len(labels), 60):  # 40 rows to calibrate on, 20 new ones, 300 times over
        known, new = slice(start, start + 40), slice(start + 40, start + 60)
        found = hold_out_classes(calibrate_classes(logits[known], labels[known], 0.8), logits[new], labels[new])
        hits += round((found.coverage or 0) * 20)
    assert hits >= binom.ppf(0.001, 6000, 0.8) - 60  # each of the 300 thresholds is shared by 20 rows


def test_sets_nest_and_are_never_empty() -> None:
    logits, labels = drawn(500, 4)
    chances = softmax(drawn(300, 5)[0], axis=1)
    smaller = np.zeros((300, 5), bool)
    for level in (0.1, 0.5, 0.8, 0.9, 0.99):
        sets = sets_of(chances, calibrate_classes(logits, labels, level).threshold[0])
        assert sets.any(axis=1).all()
        assert (sets >= smaller).all()
        smaller = sets


def test_too_few_rows_put_every_class_into_the_set() -> None:
    found = calibrate_classes(*drawn(8, 6), 0.9)
    assert found.threshold == (1.0,)
    assert hold_out_classes(found, *drawn(50, 7)).size == 5


def test_one_unit_has_sets_of_two_classes() -> None:
    logits, labels = np.array([[2.0], [-2.0]] * 20), np.array([1, 0] * 20)
    labels[:10] = 1 - labels[:10]  # a quarter is wrong: the label has a probability of 3/4 or 1/4
    found = hold_out_classes(calibrate_classes(logits, labels, 0.6), logits, labels)
    assert 1 - found.threshold[0] == pytest.approx((0.75 * 40 + 0.5) / 41, rel=1e-3)
    assert (found.coverage, found.size) == (0.75, 1.0)
    assert hold_out_classes(calibrate_classes(logits, labels, 0.8), logits, labels).size == 2


def test_labels_that_do_not_exclude_each_other_get_a_temperature_alone() -> None:
    random = np.random.default_rng(8)
    logits = random.normal(size=(3000, 2))
    labels = (random.uniform(size=logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    found = hold_out_classes(calibrate_classes(logits * 4, labels, 0.9, exclusive=False), logits * 4, labels)
    assert found.temperature == pytest.approx(4, rel=0.1)
    assert (found.method, found.threshold, found.coverage) == ("temperature", (), None)
    assert found.calibration_error is not None
    assert found.calibration_error[1] < found.calibration_error[0] / 4


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"got logits \(3, 2\) and labels \(2,\)"):
        calibrate_classes(np.zeros((3, 2)), np.zeros(2), 0.9)
    with pytest.raises(ConfigError, match="of one row or more"):
        calibrate_classes(np.zeros((0, 2)), np.zeros(0), 0.9)


def test_sets_in_time_follow_what_the_model_has_become() -> None:
    """The model gets worse in the end: what is likely enough sinks when the past is forgotten."""
    logits, labels = drawn(400, 9)
    labels[200:] = np.random.default_rng(10).integers(5, size=200)
    even, recent = (calibrate_classes(logits, labels, 0.8, decay=decay) for decay in (1.0, 0.99))
    assert recent.method == "temperature+lac+recent"
    assert recent.threshold[0] > even.threshold[0]
