from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error

from training.objectives import Objective, is_better, make_objectives, measure, metric_names
from zoo import ModelConfig

RANDOM = np.random.default_rng(0)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def model_config(**heads: Any) -> ModelConfig:
    return ModelConfig.parse({"architecture": "mlp", "input_shape": [2], **heads})


def test_softmax_loss_and_accuracy_equal_scikit_learn() -> None:
    logits = RANDOM.normal(size=(50, 4)).astype("float32")
    labels = RANDOM.integers(4, size=50)
    objective = Objective("", "softmax", "probabilities")
    losses = objective.losses(tf.constant(labels), tf.constant(logits)).numpy()
    assert losses.mean() == pytest.approx(log_loss(labels, softmax(logits)), rel=1e-6)
    right = objective.measures(tf.constant(labels), tf.constant(logits))["accuracy"].numpy()
    assert right.mean() == pytest.approx(accuracy_score(labels, logits.argmax(axis=1)))


@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_sigmoid_loss_and_accuracy_equal_scikit_learn(shape: tuple[int, ...]) -> None:
    logits = RANDOM.normal(size=(50, 1)).astype("float32")
    labels = RANDOM.integers(2, size=50)
    probabilities = 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))
    objective = Objective("", "sigmoid", "probabilities")
    losses = objective.losses(tf.constant(labels.reshape(shape)), tf.constant(logits)).numpy()
    assert losses.mean() == pytest.approx(log_loss(labels, probabilities), rel=1e-6)
    right = objective.measures(tf.constant(labels.reshape(shape)), tf.constant(logits))["accuracy"].numpy()
    assert right.mean() == pytest.approx(accuracy_score(labels, probabilities >= 0.5))


def test_linear_loss_and_metrics_equal_scikit_learn() -> None:
    values, labels = RANDOM.normal(size=(50, 3)).astype("float32"), RANDOM.normal(size=(50, 3))
    objective = Objective("", "linear", "value")
    losses = objective.losses(tf.constant(labels), tf.constant(values)).numpy()
    assert losses.shape == (50,)
    assert losses.mean() == pytest.approx(mean_squared_error(labels, values), rel=1e-6)
    found = objective.measures(tf.constant(labels), tf.constant(values))
    assert found["mae"].numpy().mean() == pytest.approx(mean_absolute_error(labels, values), rel=1e-6)
    assert found["mse"].numpy().mean() == pytest.approx(mean_squared_error(labels, values), rel=1e-6)


@pytest.mark.parametrize(("kind", "logits", "expected"), [("softmax", [[1e4, -1e4]], 2e4), ("sigmoid", [[-1e4]], 1e4)])
def test_the_loss_of_a_sure_and_wrong_answer_is_finite(kind: str, logits: list[list[float]], expected: float) -> None:
    # In float32 its probability is 0, and -log(0) would be inf.
    losses = Objective("", kind, "probabilities").losses(tf.constant([1]), tf.constant(logits))
    assert losses.numpy().tolist() == [expected]


def test_no_rows_sum_to_nothing() -> None:
    for kind in ("softmax", "sigmoid", "linear"):
        losses = Objective("", kind, "x").losses(tf.zeros([0], tf.int64), tf.zeros([0, 1]))
        assert tf.reduce_sum(losses).numpy() == 0


def test_losses_of_several_heads_add_up() -> None:
    config = model_config(heads={"kind": {"kind": "softmax", "units": 2}, "size": {"kind": "linear"}})
    objectives = make_objectives(config)
    assert metric_names(objectives) == ("loss", "kind_loss", "kind_accuracy", "size_loss", "size_mae", "size_mse")
    labels = {"kind": tf.constant([0, 1]), "size": tf.constant([1.0, 2.0])}
    outputs = {"kind_probabilities": tf.zeros([2, 2]), "size_value": tf.constant([[3.0], [2.0]])}
    found = measure(objectives, labels, outputs)
    assert tuple(found) == metric_names(objectives)
    np.testing.assert_allclose(found["loss"], [np.log(2) + 4, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(found["size_loss"], [4, 0])


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
def test_what_is_better(metric: str, new: float, old: float | None, better: bool) -> None:  # noqa: FBT001
    assert is_better(metric, new, old) is better


TOKEN_LABELS = np.array([[2, 1, 0, 0], [1, 2, 2, 1], [0, 0, 0, 0]])


def test_token_loss_and_accuracy_are_means_over_the_steps_that_are_no_padding() -> None:
    logits = RANDOM.normal(size=(3, 4, 3)).astype(np.float32)
    chances = np.exp(logits.astype(np.float64))
    chances /= chances.sum(axis=-1, keepdims=True)
    right = logits.argmax(axis=-1) == TOKEN_LABELS
    objective = Objective("", "token", "probabilities")

    losses = objective.losses(tf.constant(TOKEN_LABELS), tf.constant(logits)).numpy()
    accuracies = objective.measures(tf.constant(TOKEN_LABELS), tf.constant(logits))["accuracy"].numpy()

    counted = {0: 2, 1: 4}
    by_hand = [-np.mean([np.log(chances[r, s, TOKEN_LABELS[r, s]]) for s in range(n)]) for r, n in counted.items()]
    np.testing.assert_allclose(losses, [*by_hand, 0], rtol=1e-6)
    np.testing.assert_allclose(accuracies, [right[0, :2].mean(), right[1].mean(), 0])


def test_every_step_of_another_head_counts() -> None:
    labels, logits = np.array([[0, 1, 0]]), np.zeros((1, 3, 2), np.float32)
    values = np.array([[[1.0], [2.0], [6.0]]], np.float32)

    softmax_loss = Objective("", "softmax", "probabilities").losses(tf.constant(labels), tf.constant(logits))
    squares = Objective("", "linear", "value").losses(tf.zeros((1, 3)), tf.constant(values))

    np.testing.assert_allclose(softmax_loss, [np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(squares, [(1 + 4 + 36) / 3], rtol=1e-6)


def test_a_loss_counts_as_often_as_its_weight() -> None:
    config = model_config(heads={"a": {"kind": "linear", "loss_weight": 3.0}, "b": {"kind": "linear"}})
    labels = {"a": tf.zeros(2), "b": tf.zeros(2)}
    outputs = {"a_value": tf.constant([[1.0], [2.0]]), "b_value": tf.constant([[10.0], [20.0]])}

    measured = measure(make_objectives(config), labels, outputs)

    assert measured["loss"].numpy().tolist() == [3 * 1 + 100, 3 * 4 + 400]
    assert measured["a_loss"].numpy().tolist() == [1, 4]
