import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
    top_k_accuracy_score,
)

from training.metrics import is_better, make_metric

RANDOM = np.random.default_rng(0)
ROWS = 400


def measured(name: str, kind: str, labels: np.ndarray, output: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Measure in two parts whose sums are added, as steps and replicas do."""
    metric = make_metric(name, kind, output.shape[-1])
    weights = np.ones(labels.shape[: output.ndim - 1]) if weights is None else weights
    total = np.zeros(metric.width)
    for part in (slice(0, 150), slice(150, None)):
        sums = metric.sums(
            tf.constant(labels[part]), tf.constant(output[part], tf.float32), tf.constant(weights[part], tf.float32)
        )
        assert sums.shape == (metric.width,)
        total += sums.numpy()
    return metric.value(total)


LOGITS = RANDOM.normal(size=(ROWS, 8))
CLASSES = RANDOM.integers(8, size=ROWS)


def test_accuracies_equal_scikit_learn() -> None:
    assert measured("accuracy", "softmax", CLASSES, LOGITS) == pytest.approx(
        accuracy_score(CLASSES, LOGITS.argmax(axis=1))
    )
    assert measured("top5_accuracy", "softmax", CLASSES, LOGITS) == pytest.approx(
        top_k_accuracy_score(CLASSES, LOGITS, k=5)
    )


def test_labels_that_are_probabilities_count_as_their_likeliest_class() -> None:
    one_hot = np.eye(8, dtype=np.float32)[CLASSES]
    assert measured("accuracy", "softmax", one_hot, LOGITS) == measured("accuracy", "softmax", CLASSES, LOGITS)


BINARY = RANDOM.integers(2, size=ROWS)
SCORES = RANDOM.normal(size=ROWS) + 0.8 * BINARY


def test_binary_metrics_equal_scikit_learn() -> None:
    said = SCORES >= 0
    for name, peer in (("accuracy", accuracy_score), ("precision", precision_score), ("recall", recall_score)):
        assert measured(name, "sigmoid", BINARY, SCORES[:, None]) == pytest.approx(peer(BINARY, said)), name


def test_the_area_under_the_curve_is_within_a_bin_of_scikit_learn() -> None:
    assert measured("auc", "sigmoid", BINARY, SCORES[:, None]) == pytest.approx(roc_auc_score(BINARY, SCORES), abs=2e-3)


def test_one_class_alone_has_no_curve() -> None:
    assert np.isnan(measured("auc", "sigmoid", np.ones(ROWS), SCORES[:, None]))


VALUES = RANDOM.normal(size=(ROWS, 2)) * [1, 30] + [2, 150]
GUESSES = VALUES + RANDOM.normal(size=(ROWS, 2)) * [0.5, 20]


def test_errors_equal_scikit_learn() -> None:
    assert measured("mae", "linear", VALUES, GUESSES) == pytest.approx(mean_absolute_error(VALUES, GUESSES), rel=1e-5)
    assert measured("mse", "linear", VALUES, GUESSES) == pytest.approx(mean_squared_error(VALUES, GUESSES), rel=1e-5)
    rmse = root_mean_squared_error(VALUES[:, 0], GUESSES[:, 0])
    assert measured("rmse", "linear", VALUES[:, 0], GUESSES[:, :1]) == pytest.approx(rmse, rel=1e-5)


def test_r2_equals_scikit_learn_with_weights_too() -> None:
    weights = RANDOM.random(ROWS)
    assert measured("r2", "linear", VALUES, GUESSES) == pytest.approx(r2_score(VALUES, GUESSES), abs=1e-4)
    assert measured("r2", "linear", VALUES, GUESSES, weights) == pytest.approx(
        r2_score(VALUES, GUESSES, sample_weight=weights), abs=1e-4
    )


def test_perplexity_is_the_power_of_the_mean_loss_over_steps_that_count() -> None:
    logits, ids = RANDOM.normal(size=(ROWS, 6, 5)), RANDOM.integers(5, size=(ROWS, 6))
    weights = (RANDOM.random((ROWS, 6)) > 0.3).astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    surprise = -np.take_along_axis(logs, ids[..., None], axis=-1)[..., 0]
    expected = np.exp(np.average(surprise, weights=weights))
    assert measured("perplexity", "token", ids, logits, weights) == pytest.approx(expected, rel=1e-5)


def test_what_nothing_counted_for_is_no_number() -> None:
    for name, kind in (("accuracy", "softmax"), ("auc", "sigmoid"), ("r2", "linear"), ("perplexity", "token")):
        metric = make_metric(name, kind)
        assert np.isnan(metric.value(np.zeros(metric.width))), name


@pytest.mark.parametrize(
    ("metric", "new", "old", "better"),
    [
        ("loss", 1.0, 2.0, True),
        ("loss", 2.0, 2.0, False),
        ("size_mae", 1.0, 2.0, True),
        ("accuracy", 0.9, 0.8, True),
        ("kind_accuracy", 0.7, 0.8, False),
        ("loss", float("nan"), 2.0, False),
        ("loss", 2.0, float("nan"), True),
        ("loss", float("nan"), None, True),
        ("accuracy", 0.0, None, True),
    ],
)
def test_what_is_better(metric: str, new: float, old: float | None, *, better: bool) -> None:
    assert is_better(metric, new, old) is better


def test_less_than_the_smallest_improvement_is_none() -> None:
    assert is_better("loss", 0.8, 1.0, min_delta=0.1)
    assert not is_better("loss", 0.95, 1.0, min_delta=0.1)
    assert not is_better("accuracy", 0.55, 0.5, min_delta=0.1)
