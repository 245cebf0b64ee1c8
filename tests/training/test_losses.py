from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, mean_pinball_loss

from training.config import LossConfig
from training.losses import entry_losses

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(50, 3)).astype(np.float32)
CLASSES = RANDOM.integers(3, size=50)
ONES_AND_ZEROS = RANDOM.integers(2, size=(50, 3)).astype(np.float32)


def losses(config: Any, labels: np.ndarray, output: np.ndarray) -> np.ndarray:
    found: np.ndarray = entry_losses(
        LossConfig.model_validate(config), tf.constant(labels), tf.constant(output)
    ).numpy()
    return found


def test_cross_entropy_equals_scikit_learn() -> None:
    powers = np.exp(VALUES.astype(np.float64))
    found = losses("sparse_categorical_crossentropy", CLASSES, VALUES)
    assert found.shape == (50,)
    assert found.mean() == pytest.approx(log_loss(CLASSES, powers / powers.sum(axis=1, keepdims=True)), rel=1e-6)


CASES: list[tuple[Any, np.ndarray, keras.losses.Loss]] = [
    ("binary_crossentropy", ONES_AND_ZEROS, keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)),
    (
        {"kind": "binary_crossentropy", "label_smoothing": 0.2},
        ONES_AND_ZEROS,
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2, reduction=None),
    ),
    (
        {"kind": "categorical_crossentropy", "label_smoothing": 0.1},
        np.eye(3, dtype=np.float32)[CLASSES],
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1, reduction=None),
    ),
    ("mse", VALUES[::-1], keras.losses.MeanSquaredError(reduction=None)),
    ("mae", VALUES[::-1], keras.losses.MeanAbsoluteError(reduction=None)),
    ({"kind": "huber", "delta": 0.7}, VALUES[::-1], keras.losses.Huber(delta=0.7, reduction=None)),
]


@pytest.mark.parametrize(("config", "labels", "peer"), CASES, ids=[str(case[0]) for case in CASES])
def test_losses_equal_those_of_keras(config: Any, labels: np.ndarray, peer: keras.losses.Loss) -> None:
    np.testing.assert_allclose(losses(config, labels, VALUES), peer(labels, VALUES), rtol=1e-5, atol=1e-6)


def test_smoothed_class_numbers_are_smoothed_probabilities() -> None:
    sparse = losses({"kind": "sparse_categorical_crossentropy", "label_smoothing": 0.3}, CLASSES, VALUES)
    dense = losses(
        {"kind": "categorical_crossentropy", "label_smoothing": 0.3}, np.eye(3, dtype=np.float32)[CLASSES], VALUES
    )
    np.testing.assert_allclose(sparse, dense, rtol=1e-5)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_loss_equals_scikit_learn(quantile: float) -> None:
    found = losses({"kind": "quantile", "quantile": quantile}, VALUES[::-1], VALUES)
    assert found.mean() == pytest.approx(mean_pinball_loss(VALUES[::-1], VALUES, alpha=quantile), rel=1e-6)


@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_labels_of_one_unit_may_lack_its_axis(shape: tuple[int, ...]) -> None:
    labels = ONES_AND_ZEROS[:, 0].reshape(shape)
    np.testing.assert_array_equal(
        losses("binary_crossentropy", labels, VALUES[:, :1]),
        losses("binary_crossentropy", labels.ravel(), VALUES[:, :1]),
    )
    assert losses("mse", labels, VALUES[:, :1]).shape == (50,)


@pytest.mark.parametrize(
    ("kind", "logits", "expected"),
    [("sparse_categorical_crossentropy", [[1e4, -1e4]], 2e4), ("binary_crossentropy", [[-1e4]], 1e4)],
)
def test_the_loss_of_a_sure_and_wrong_answer_is_finite(kind: str, logits: list[list[float]], expected: float) -> None:
    # In float32 its probability is 0, and -log(0) would be inf.
    assert losses(kind, np.array([1]), np.array(logits, np.float32)).tolist() == [expected]


def test_steps_of_a_sequence_have_a_loss_each() -> None:
    labels, logits = RANDOM.integers(3, size=(4, 5)), RANDOM.normal(size=(4, 5, 3)).astype(np.float32)
    found = losses("sparse_categorical_crossentropy", labels, logits)
    flat = losses("sparse_categorical_crossentropy", labels.ravel(), logits.reshape(20, 3))
    np.testing.assert_allclose(found, flat.reshape(4, 5), rtol=1e-6)
