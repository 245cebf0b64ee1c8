from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from training import TrainConfig
from training.objectives import Ledger, Totals, make_objectives, metric_names

RANDOM = np.random.default_rng(0)


def recipe(*, loss: Any = None, metrics: Any = None, **model: Any) -> TrainConfig:
    fields = {"architecture": "mlp", "input_shape": [2], **model}
    data = {"name": "made_up", "data": {"name": "made_up"}, "model": fields, "loss": loss, "metrics": metrics}
    return TrainConfig.parse({key: value for key, value in data.items() if value is not None})


def measure(
    config: TrainConfig, labels: dict[str, Any], outputs: dict[str, Any], inputs: Any = None
) -> dict[str, float]:
    """Measure one batch, as the loop does."""
    objectives = make_objectives(config)
    parts = [tf.constant([float(len(next(iter(labels.values())))), 0.0])]
    for objective in objectives:
        given = tf.constant(labels[objective.head])
        weights = objective.weights(given, tf.constant(inputs if inputs is not None else np.zeros((1, 1))), None)
        total, sums = objective.sums(given, tf.constant(outputs[objective.output], tf.float32), weights)
        parts += [tf.stack([total, tf.math.count_nonzero(weights, dtype=tf.float32)]), *sums]
    return Ledger(objectives).values(tf.concat(parts, axis=0).numpy())


def test_losses_of_several_heads_add_up_by_their_weights() -> None:
    heads = {"kind": {"kind": "softmax", "units": 2}, "size": {"kind": "linear", "loss_weight": 3.0}}
    config = recipe(heads=heads)
    labels = {"kind": np.array([0, 1]), "size": np.array([1.0, 2.0], np.float32)}
    found = measure(config, labels, {"kind_probabilities": np.zeros((2, 2)), "size_value": [[3.0], [2.0]]})
    assert found == pytest.approx(
        {
            "loss": np.log(2) + 3 * 2,
            "kind_loss": np.log(2),
            "kind_accuracy": 0.5,
            "size_loss": 2.0,
            "size_mae": 1.0,
            "size_rmse": 2**0.5,
        }
    )
    assert tuple(found) == metric_names(make_objectives(config))


TOKEN_LABELS = np.array([[2, 1, 0, 0], [1, 2, 2, 1], [0, 0, 0, 0]])


def test_token_loss_and_metrics_are_means_over_all_tokens_that_are_no_padding() -> None:
    model = {
        "architecture": "gpt_tiny",
        "input_shape": [4],
        "vocabulary_size": 3,
        "head": {"kind": "token", "units": 3},
    }
    logits = RANDOM.normal(size=(3, 4, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    counted = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3)]
    loss = np.mean([-np.log(chances[r, s, TOKEN_LABELS[r, s]]) for r, s in counted])
    right = np.mean([logits[r, s].argmax() == TOKEN_LABELS[r, s] for r, s in counted])

    found = measure(recipe(**model), {"": TOKEN_LABELS}, {"probabilities": logits}, np.ones((3, 4), np.int32))

    assert found == pytest.approx({"loss": loss, "accuracy": right, "perplexity": np.exp(loss)}, rel=1e-5)


def test_steps_without_input_do_not_count() -> None:
    model = {
        "architecture": "gru", "input_shape": [3], "vocabulary_size": 9, "units": [2], "pooling": "none",
        "head": {"kind": "linear"},
    }  # fmt: skip
    inputs, labels = np.array([[4, 5, 0], [1, 0, 0]]), np.zeros((2, 3, 1), np.float32)
    values = np.array([[[1.0], [2.0], [50.0]], [[3.0], [60.0], [70.0]]])
    found = measure(recipe(**model), {"": labels}, {"value": values}, inputs)
    assert found["loss"] == pytest.approx((1 + 4 + 9) / 3)
    assert found["mae"] == pytest.approx((1 + 2 + 3) / 3)


def test_classes_count_as_often_as_their_weight() -> None:
    config = recipe(head={"kind": "softmax", "units": 2})
    [objective] = make_objectives(config, {"": (1.0, 5.0)})
    labels = tf.constant([0, 1, 1])
    weights = objective.weights(labels, tf.zeros((3, 2)), None)
    total, _ = objective.sums(labels, tf.zeros((3, 2)), weights)
    assert float(total) == pytest.approx(11 * np.log(2))


def test_other_losses_and_metrics_on_request() -> None:
    config = recipe(head={"kind": "linear"}, loss="mae", metrics=["r2"])
    labels, values = np.array([1.0, 2.0, 6.0], np.float32), np.array([[1.5], [2.0], [5.0]])
    found = measure(config, {"": labels}, {"value": values})
    assert found == pytest.approx({"loss": 0.5, "r2": 1 - 1.25 / 14})


def test_totals_are_kept_in_float64() -> None:
    ledger = Ledger(make_objectives(recipe(head={"kind": "linear"}, metrics=["mse"])))
    totals = Totals(ledger)
    totals.add(np.array([2.0**24, 0, 2.0**24, 2.0**24, 0, 1], np.float32))
    totals.add(np.array([1, 0, 1, 1, 0, 1], np.float32))
    assert totals.rows == 2**24 + 1
    assert totals.values()["loss"] == 1.0


def test_no_rows_add_nothing() -> None:
    for kind, units in (("softmax", 2), ("sigmoid", 1), ("linear", 2)):
        [objective] = make_objectives(recipe(head={"kind": kind, "units": units}))
        labels = tf.zeros([0], tf.int64) if units == 1 or kind == "softmax" else tf.zeros([0, units])
        weights = objective.weights(labels, tf.zeros([0, 2]), None)
        total, sums = objective.sums(labels, tf.zeros([0, units]), weights)
        assert float(total) == 0
        assert all(not tf.reduce_any(tf.math.is_nan(part)) for part in sums)
