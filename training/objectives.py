"""From a head to what it minimises and what is measured of it, example by example."""

from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from zoo.config import ModelConfig
from zoo.heads import output_name, scoped

LOWER_IS_BETTER = {"loss", "mae", "mse"}

Tensors = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Objective:
    """Loss and metrics of one head. Outputs are logits where the head gives probabilities."""

    head: str
    """Its name; empty for a model's only head."""
    kind: str
    output: str
    """The key of its output in a model's dict."""
    weight: float = 1.0
    """What its loss counts for in the sum over heads."""

    def losses(self, labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """Return the loss of every example, (rows,): cross-entropy in nats, or the squared error of linear heads.

        Several units of a sigmoid or linear head, and the steps of a sequence, count by their mean. Steps of a token head
        that are padding (label 0) do not count; an example that is all padding has no loss.
        """
        if self.kind in {"softmax", "token"}:
            ids = _class_ids(labels, output)
            return self._mean_of_steps(tf.nn.sparse_softmax_cross_entropy_with_logits(ids, output), ids)
        labels = _like(labels, output)
        if self.kind == "sigmoid":
            return _mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, output))
        return _mean(tf.square(output - labels))

    def measures(self, labels: tf.Tensor, output: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what is measured of every example, by metric name, each (rows,)."""
        if self.kind in {"softmax", "token"}:
            ids = _class_ids(labels, output)
            right = tf.equal(tf.argmax(output, axis=-1, output_type=tf.int32), ids)
            return {scoped(self.head, "accuracy"): self._mean_of_steps(tf.cast(right, tf.float32), ids)}
        labels = _like(labels, output)
        if self.kind == "sigmoid":
            right = tf.equal(output >= 0, labels >= 0.5)  # probability 0.5 is logit 0
            return {scoped(self.head, "accuracy"): _mean(tf.cast(right, tf.float32))}
        error = output - labels
        return {scoped(self.head, "mae"): _mean(tf.abs(error)), scoped(self.head, "mse"): _mean(tf.square(error))}

    def _mean_of_steps(self, values: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        if self.kind != "token":
            return _mean(values)
        counts = tf.cast(tf.not_equal(ids, 0), values.dtype)
        axes = list(range(1, values.shape.rank))
        return tf.math.divide_no_nan(tf.reduce_sum(values * counts, axes), tf.reduce_sum(counts, axes))


def make_objectives(config: ModelConfig) -> tuple[Objective, ...]:
    """Return the objective of every head of a model."""
    return tuple(
        Objective(head, choice.kind, output_name(head, choice.kind), choice.loss_weight)
        for head, choice in config.named_heads().items()
    )


def metric_names(objectives: tuple[Objective, ...]) -> tuple[str, ...]:
    """Return the names of everything that is measured, `loss` first; several heads also have a loss each."""
    names = ["loss"]
    for objective in objectives:
        if objective.head:
            names.append(scoped(objective.head, "loss"))
        names += [scoped(objective.head, name) for name in _METRICS[objective.kind]]
    return tuple(names)


_METRICS = {"softmax": ("accuracy",), "token": ("accuracy",), "sigmoid": ("accuracy",), "linear": ("mae", "mse")}


def measure(objectives: tuple[Objective, ...], labels: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
    """Return loss and metrics of every example, by `metric_names`; the losses of heads add up, each times its weight."""
    found: dict[str, tf.Tensor] = {}
    total = None
    for objective in objectives:
        output = tf.cast(outputs[objective.output], tf.float32)
        losses = objective.losses(labels[objective.head], output)
        weighted = losses * objective.weight
        total = weighted if total is None else total + weighted
        if objective.head:
            found[scoped(objective.head, "loss")] = losses
        found |= objective.measures(labels[objective.head], output)
    return {"loss": total, **found}


def is_better(metric: str, new: float, old: float | None) -> bool:
    """Tell whether a metric's new value is better than its old one; NaN is worse than anything."""
    if new != new or old is None or old != old:  # noqa: PLR0124 - NaN differs from itself
        return new == new or old is None  # noqa: PLR0124
    return new < old if metric.rpartition("_")[2] in LOWER_IS_BETTER else new > old


def _class_ids(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.cast(labels, tf.int32), tf.shape(output)[:-1])


def _like(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.cast(labels, tf.float32), tf.shape(output))


def _mean(values: tf.Tensor) -> tf.Tensor:
    """Return the mean of every row, (rows,)."""
    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))
