import numpy as np
import pytest
from scipy.special import expit, softmax

from zoo.uncertainty import calibration_error, fit_temperature
from zoo.uncertainty.temperature import reliability


def drawn(rows: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels of just the probabilities that they claim."""
    random = np.random.default_rng(5)
    logits = random.normal(scale=2, size=(rows, classes))
    chances = softmax(logits, axis=1)
    return logits, (random.uniform(size=(rows, 1)) > chances.cumsum(axis=1)).sum(axis=1)


def test_logits_that_are_right_keep_a_temperature_of_1() -> None:
    assert fit_temperature(*drawn(20_000)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_the_temperature_undoes_what_was_done_to_the_logits(factor: float) -> None:
    logits, labels = drawn(20_000)
    assert fit_temperature(logits * factor, labels) == pytest.approx(factor, rel=0.03)


def test_sigmoids_have_one_temperature_together() -> None:
    random = np.random.default_rng(6)
    logits = random.normal(scale=2, size=(10_000, 3))
    labels = random.uniform(size=logits.shape) < expit(logits)
    assert fit_temperature(logits * 2.5, labels) == pytest.approx(2.5, rel=0.03)


def test_two_classes_have_the_same_temperature_as_a_sigmoid_or_a_softmax() -> None:
    logits, labels = drawn(500, classes=2)
    single = (logits[:, 1:] - logits[:, :1]) * 3
    assert fit_temperature(single, labels[:, np.newaxis]) == pytest.approx(
        fit_temperature(logits * 3, labels), rel=1e-3
    )


def test_being_right_of_few_rows_does_not_make_a_model_certain() -> None:
    """Two classes, all n rows right by the same margin: by hand, a probability of (n + 1/2) / (n + 1)."""
    temperature = fit_temperature(np.array([[0.0, 1.0]] * 15), np.ones(15))
    assert expit(1 / temperature) == pytest.approx(15.5 / 16, rel=1e-4)


def test_the_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.62, 0.62])
    hits = np.array([1, 1, 1, 0, 0, 1])
    assert calibration_error(confidence, hits) == pytest.approx((4 * abs(0.95 - 0.75) + 2 * abs(0.62 - 0.5)) / 6)
    assert calibration_error(np.array([1.0, 1.0]), np.array([1, 1])) == 0


def test_the_bins_of_a_reliability_diagram_by_hand() -> None:
    found = reliability(np.array([0.95, 0.97, 0.62, 0.0]), np.array([1, 0, 1, 0]))
    assert found.rows == (1, 1, 2)
    np.testing.assert_allclose(found.confidence, (0.0, 0.62, 0.96))
    np.testing.assert_allclose(found.accuracy, (0.0, 1.0, 0.5))
