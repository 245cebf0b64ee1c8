"""From a head to what it minimises and what is measured of it, example by example."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from training.data import Dataset
from zoo.config import HeadConfig, ModelConfig
from zoo.errors import ConfigError
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

    def losses(self, labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """Return the loss of every example, (rows,): cross-entropy in nats, or the squared error of linear heads.

        Several units of a sigmoid or linear head count by their mean.
        """
        if self.kind == "softmax":
            return tf.nn.sparse_softmax_cross_entropy_with_logits(_class_ids(labels), output)
        labels = _like(labels, output)
        if self.kind == "sigmoid":
            return _mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, output))
        return _mean(tf.square(output - labels))

    def measures(self, labels: tf.Tensor, output: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what is measured of every example, by metric name, each (rows,)."""
        if self.kind == "softmax":
            right = tf.equal(tf.argmax(output, axis=-1, output_type=tf.int32), _class_ids(labels))
            return {scoped(self.head, "accuracy"): tf.cast(right, tf.float32)}
        labels = _like(labels, output)
        if self.kind == "sigmoid":
            right = tf.equal(output >= 0, labels >= 0.5)  # probability 0.5 is logit 0
            return {scoped(self.head, "accuracy"): _mean(tf.cast(right, tf.float32))}
        error = output - labels
        return {scoped(self.head, "mae"): _mean(tf.abs(error)), scoped(self.head, "mse"): _mean(tf.square(error))}


def make_objectives(config: ModelConfig) -> tuple[Objective, ...]:
    """Return the objective of every head of a model."""
    return tuple(
        Objective(head, choice.kind, output_name(head, choice.kind)) for head, choice in config.named_heads().items()
    )


def metric_names(objectives: tuple[Objective, ...]) -> tuple[str, ...]:
    """Return the names of everything that is measured, `loss` first; several heads also have a loss each."""
    names = ["loss"]
    for objective in objectives:
        if objective.head:
            names.append(scoped(objective.head, "loss"))
        names += [scoped(objective.head, name) for name in _METRICS[objective.kind]]
    return tuple(names)


_METRICS = {"softmax": ("accuracy",), "sigmoid": ("accuracy",), "linear": ("mae", "mse")}


def measure(objectives: tuple[Objective, ...], labels: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
    """Return loss and metrics of every example, by `metric_names`; the losses of several heads add up."""
    found: dict[str, tf.Tensor] = {}
    total = None
    for objective in objectives:
        output = tf.cast(outputs[objective.output], tf.float32)
        losses = objective.losses(labels[objective.head], output)
        total = losses if total is None else total + losses
        if objective.head:
            found[scoped(objective.head, "loss")] = losses
        found |= objective.measures(labels[objective.head], output)
    return {"loss": total, **found}


def is_better(metric: str, new: float, old: float | None) -> bool:
    """Tell whether a metric's new value is better than its old one; NaN is worse than anything."""
    if new != new or old is None or old != old:  # noqa: PLR0124 - NaN differs from itself
        return new == new or old is None  # noqa: PLR0124
    return new < old if metric.rpartition("_")[2] in LOWER_IS_BETTER else new > old


def check_data(data: Dataset, config: ModelConfig) -> None:
    """Check that a model can learn from a data set.

    Raises:
        ConfigError: a split is empty, shapes differ, inputs or labels are no finite numbers, a head has no labels, or labels
            that it cannot tell apart.
    """
    heads = config.named_heads()
    for name, split in data.splits.items():
        where = f"{data.name}/{name}"
        if not len(split):
            raise ConfigError(f"{where} has no rows: give it some, or leave the split out where it is not needed")
        _check_numbers(f"the inputs of {where}", split.inputs)
        shape = split.inputs.shape[1:]
        if shape != config.input_shape:
            raise ConfigError(
                f"model.input_shape is {list(config.input_shape)}, but the rows of {data.name} have shape {list(shape)}"
            )
        labels = split.named_labels()
        if labels.keys() != heads.keys():
            raise ConfigError(f"{data.name} has labels for {_heads(labels)}, the model has {_heads(heads)}")
        for head, choice in heads.items():
            _check_numbers(f"the labels {f'of {head!r} ' if head else ''}of {where}", labels[head])
            fault = _shape_fault(labels[head].shape, choice) or _value_fault(labels[head], choice)
            if fault:
                path = f"model.heads.{head}" if head else "model.head"
                raise ConfigError(f"{path} is {choice.kind} with {choice.units} units, but {where} {fault}")


def _check_numbers(what: str, array: Any) -> None:
    if not isinstance(array, np.ndarray):
        raise ConfigError(f"{what} are a {type(array).__name__}, expected a NumPy array: convert them with np.asarray")
    if array.dtype.kind not in "biuf" and not np.can_cast(array.dtype, np.float32):  # bfloat16 is of no kind
        raise ConfigError(f"{what} are of dtype {array.dtype}, expected numbers: convert them with .astype('float32')")
    if array.dtype.kind in "biu":
        return
    rows = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
    if rows.size:
        raise ConfigError(
            f"{what} hold NaN or infinity in {rows.size} of {len(array)} rows, first in row {rows[0]}: "
            "drop these rows, or put numbers in their place"
        )


def _shape_fault(shape: tuple[int, ...], head: HeadConfig) -> str | None:
    if head.kind == "softmax":
        one_each = len(shape) <= 2 and shape[1:] in {(), (1,)}
        return None if one_each else f"has labels of shape {list(shape[1:])} each, expected one class number"
    if shape[1:] != (head.units,) and not (shape[1:] == () and head.units == 1):
        return f"has labels of shape {list(shape[1:])} each, expected {[head.units]}"
    return None


def _value_fault(labels: np.ndarray, head: HeadConfig) -> str | None:
    low, high = float(labels.min()), float(labels.max())
    if head.kind == "sigmoid" and not 0 <= low <= high <= 1:
        return f"has labels {low:g}..{high:g}, expected 0..1"
    if head.kind != "softmax":
        return None
    if low < 0:
        return f"has classes {low:g}..{high:g}, expected 0..{head.units - 1}: number classes from 0"
    fractions = labels[labels != np.floor(labels)]
    if fractions.size:
        return (
            f"has {fractions.size} fractions for class labels, such as {fractions[0]:g}: expected 0..{head.units - 1}"
        )
    return None if high < head.units else f"has classes {low:g}..{high:g}: set units to {int(high) + 1}"


def _heads(names: Mapping[str, object]) -> str:
    return "one unnamed head" if set(names) == {""} else f"heads {', '.join(sorted(names))}"


def _class_ids(labels: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.cast(labels, tf.int32), [-1])


def _like(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.cast(labels, tf.float32), tf.shape(output))


def _mean(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=-1)
