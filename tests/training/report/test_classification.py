"""Numbers against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from training.report.classification import class_scores, confused_pairs, confusion, label_scores, reliability

RANDOM = np.random.default_rng(2)


@pytest.mark.parametrize("classes", [2, 5, 100])
def test_the_confusion_matrix_and_scores_are_scikit_learns(classes: int) -> None:
    true, said = RANDOM.integers(0, classes, (2, 700))
    matrix = confusion(true, said, classes)
    np.testing.assert_array_equal(matrix, confusion_matrix(true, said, labels=range(classes)))
    scores = class_scores(matrix, [str(i) for i in range(classes)])
    expected = precision_recall_fscore_support(true, said, labels=range(classes), zero_division=np.nan)
    for i, name in enumerate(("precision", "recall", "f1", "support")):
        np.testing.assert_allclose([getattr(score, name) for score in scores], expected[i], err_msg=name)


def test_a_class_that_never_occurs_has_no_scores() -> None:
    scores = class_scores(confusion(np.array([0, 0]), np.array([0, 1]), 3), "abc")
    assert [score.support for score in scores] == [2, 0, 0]
    assert np.isnan(scores[2].precision)
    assert np.isnan(scores[1].recall)


def test_scores_of_labels_are_scikit_learns() -> None:
    true, said = RANDOM.integers(0, 2, (2, 300, 4))
    scores = label_scores(true, said, "abcd")
    expected = precision_recall_fscore_support(true, said)
    for i, name in enumerate(("precision", "recall", "f1", "support")):
        np.testing.assert_allclose([getattr(score, name) for score in scores], expected[i], err_msg=name)


def test_what_is_confused_most_comes_first() -> None:
    matrix = np.array([[8, 2, 0], [5, 5, 0], [0, 1, 9]])
    assert confused_pairs(matrix, "abc") == [("b", "a", 5, 0.5), ("a", "b", 2, 0.2), ("c", "b", 1, 0.1)]
    assert confused_pairs(np.diag([3, 3]), "ab") == []


def test_reliability_bins_by_hand() -> None:
    found = reliability(np.array([0.1, 0.12, 0.9, 1.0]), np.array([0, 1, 1, 1]))
    np.testing.assert_allclose(found.confidence, [0.11, 0.95])
    np.testing.assert_allclose(found.accuracy, [0.5, 1.0])
    assert found.count.tolist() == [2, 2]
    assert found.error == pytest.approx((2 * 0.39 + 2 * 0.05) / 4)


def test_reliability_of_binary_probabilities_is_scikit_learns() -> None:
    from sklearn.calibration import calibration_curve

    chance = RANDOM.random(500)
    true = (RANDOM.random(500) < chance).astype(int)
    found = reliability(chance, true)
    accuracy, confidence = calibration_curve(true, chance, n_bins=10)
    np.testing.assert_allclose(found.accuracy, accuracy)
    np.testing.assert_allclose(found.confidence, confidence)
