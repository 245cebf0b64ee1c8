import numpy as np
import pytest
import tensorflow as tf

from zoo.uncertainty import calibrate_classes, calibrate_values
from zoo.uncertainty.answers import interval_answers, set_answers
from zoo.uncertainty.classes import sets_of, two_class_logits
from zoo.uncertainty.temperature import probabilities_of


@pytest.mark.parametrize("units", [1, 3])
def test_what_is_served_is_what_was_fitted(units: int) -> None:
    random = np.random.default_rng(units)
    logits = random.normal(scale=2, size=(40, units)).astype("float32")
    found = calibrate_classes(logits, random.integers(max(units, 2), size=40), 0.7)
    answers = {name: value.numpy() for name, value in set_answers(tf.constant(logits), found).items()}
    chances = probabilities_of(two_class_logits(logits), found.temperature or 0, exclusive=True)
    margins = np.abs(1 - chances - found.threshold[0]) > 1e-5  # the row that gave the threshold lies on it
    expected = sets_of(chances, found.threshold[0])
    np.testing.assert_array_equal(answers["set"][margins], expected[margins])
    np.testing.assert_array_equal(answers["set_size"], answers["set"].sum(axis=1))
    np.testing.assert_allclose(answers["probabilities"], chances[:, -units:], rtol=1e-5)
    assert (answers["set"].dtype, answers["set_size"].dtype) == (np.bool_, np.int64)


def test_labels_alone_get_calibrated_probabilities() -> None:
    logits = np.array([[4.0, -4.0], [0.0, 8.0], [2.0, 2.0]], "float32")
    found = calibrate_classes(logits, np.array([[1, 0], [0, 1], [1, 0]]), 0.9, exclusive=False)
    answers = set_answers(tf.constant(logits), found)
    assert list(answers) == ["probabilities"]
    expected = probabilities_of(logits, found.temperature or 0, exclusive=False)
    np.testing.assert_allclose(answers["probabilities"], expected, rtol=1e-5)


def test_intervals_lie_around_values_unit_by_unit() -> None:
    found = calibrate_values(np.zeros((9, 2)), np.array([[1.0, 2.0]] * 9), 0.9)
    answers = interval_answers(tf.constant([[10.0, 20.0]]), found)
    assert [answers[name].numpy().tolist() for name in ("value", "lower", "upper")] == [
        [[10, 20]],
        [[9, 18]],
        [[11, 22]],
    ]
