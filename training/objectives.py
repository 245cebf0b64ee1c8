"""From a head to what it minimises and measures, as sums that replicas, pieces and steps add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from training.config import LossConfig, TrainConfig
from training.config.objective import DEFAULT_METRICS
from training.losses import class_ids, entry_losses
from training.metrics import Metric, make_metric
from zoo.config import INPUT_NAME, ModelConfig, SequenceConfig
from zoo.heads import output_name, scoped

Tensors = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Objective:
    """Loss and metrics of one head. Outputs are logits where the head gives probabilities."""

    head: str
    """Its name; empty for a model's only head."""
    kind: str
    output: str
    """The key of its output in a model's dict."""
    loss: LossConfig
    metrics: tuple[Metric, ...]
    weight: float = 1.0
    """What its loss counts for in the sum over heads."""
    per_step: bool = False
    """Whether there is an answer for every step of a sequence."""
    padded: bool = False
    """Whether steps whose input is 0 are padding, for which there is no right answer."""
    class_weights: tuple[float, ...] = ()
    """What each class counts for in the loss; empty where all count alike."""

    def weights(self, labels: tf.Tensor, inputs: tf.Tensor, given: tf.Tensor | None) -> tf.Tensor:
        """Return what every entry counts for, (rows,) or (rows, steps); 0 where it is padding.

        Args:
            labels: of this head.
            inputs: the model's main input.
            given: weights of the rows, (rows,), or of their steps, (rows, steps); None is 1 for each.
        """
        entries = tf.shape(labels)[: 2 if self.per_step else 1]
        weights = tf.ones(entries)
        if given is not None:
            given = tf.cast(given, tf.float32)
            weights *= given[:, tf.newaxis] if self.per_step and given.shape.rank == 1 else given
        if self.kind == "token":
            weights *= tf.cast(tf.not_equal(labels, 0), tf.float32)
        elif self.per_step and self.padded:
            filled = tf.not_equal(inputs, 0)
            weights *= tf.cast(filled if inputs.shape.rank == 2 else tf.reduce_any(filled, axis=-1), tf.float32)
        return weights

    def sums(self, labels: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the sum of the loss over the entries, each times its weight, and the sums of every metric."""
        output = tf.cast(output, tf.float32)
        losses = entry_losses(self.loss, labels, output) * weights
        if self.class_weights:
            losses *= tf.gather(tf.constant(self.class_weights), self._classes(labels, output))
        return tf.reduce_sum(losses), [metric.sums(labels, output, weights) for metric in self.metrics]

    def _classes(self, labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        if self.kind == "sigmoid":  # of one unit
            return tf.cast(tf.reshape(labels, tf.shape(output)[:-1]) >= 0.5, tf.int32)
        return class_ids(labels, output)


def count(weights: tf.Tensor) -> tf.Tensor:
    """Return how many entries count: those whose weight is not 0."""
    return tf.math.count_nonzero(weights, dtype=tf.float32)


def make_objectives(
    config: TrainConfig, class_weights: Mapping[str, Sequence[float]] | None = None
) -> tuple[Objective, ...]:
    """Return the objective of every head of the model.

    Args:
        config: which losses and metrics.
        class_weights: what the classes of a head count for, by the head's name.
    """
    losses, measured, model = config.losses(), config.measured(), config.model
    return tuple(
        Objective(
            head=head,
            kind=choice.kind,
            output=output_name(head, choice.kind),
            loss=losses[head],
            metrics=tuple(
                make_metric(name, choice.kind, choice.units) for name in _metrics(measured[head], choice.kind)
            ),
            weight=choice.loss_weight,
            per_step=model.gives_sequence(),
            padded=_inputs_tell_padding(model),
            class_weights=tuple((class_weights or {}).get(head, ())),
        )
        for head, choice in model.named_heads().items()
    )


def _metrics(chosen: tuple[str, ...] | None, kind: str) -> tuple[str, ...]:
    return DEFAULT_METRICS[kind] if chosen is None else chosen


def _inputs_tell_padding(model: ModelConfig) -> bool:
    """Tell whether the model takes steps that are 0 for padding, and gets them as they are."""
    as_they_are = not model.preprocessing and model.input_specs()[INPUT_NAME].dtype != "string"
    return isinstance(model, SequenceConfig) and model.masks_padding() and as_they_are


class Ledger:
    """Where each sum stands in the vector that a step returns, and what the sums come to.

    The vector: rows, the penalty on weights times rows, then for every objective the sum of its loss, the number of entries
    that count, and the sums of its metrics.
    """

    def __init__(self, objectives: tuple[Objective, ...]) -> None:
        """Lay the vector out."""
        self.objectives = objectives
        self.width = 2 + sum(2 + sum(metric.width for metric in objective.metrics) for objective in objectives)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of everything that is measured, `loss` first; several heads also have a loss each."""
        return metric_names(self.objectives)

    def values(self, sums: np.ndarray) -> dict[str, float]:
        """Return what the sums come to, by name; NaN where nothing counted."""
        rows, penalty = float(sums[0]), float(sums[1])
        total, found, at = (penalty / rows if rows else float("nan")), dict[str, float](), 2
        for objective in self.objectives:
            loss = float(sums[at] / sums[at + 1]) if sums[at + 1] else float("nan")
            total += objective.weight * loss
            if objective.head:
                found[scoped(objective.head, "loss")] = loss
            at += 2
            for metric in objective.metrics:
                found[scoped(objective.head, metric.name)] = metric.value(sums[at : at + metric.width])
                at += metric.width
        return {"loss": total, **found}

    def shares(self, sums: np.ndarray) -> dict[str, tuple[float, float]]:
        """Return hits and how many they are of, by name, for every metric that is a share of whole rows."""
        found, at = dict[str, tuple[float, float]](), 2
        for objective in self.objectives:
            at += 2
            for metric in objective.metrics:
                if metric.share is not None and not objective.per_step:
                    found[scoped(objective.head, metric.name)] = metric.share(sums[at : at + metric.width])
                at += metric.width
        return found


def metric_names(objectives: tuple[Objective, ...]) -> tuple[str, ...]:
    """Return the names of everything that is measured, `loss` first; several heads also have a loss each."""
    names = ["loss"]
    for objective in objectives:
        if objective.head:
            names.append(scoped(objective.head, "loss"))
        names += [scoped(objective.head, metric.name) for metric in objective.metrics]
    return tuple(names)


@dataclass
class Totals:
    """Sums over steps, in float64 on the host."""

    ledger: Ledger
    sums: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if not self.sums.size:
            self.sums = np.zeros(self.ledger.width)

    @property
    def rows(self) -> float:
        """How many rows were seen."""
        return float(self.sums[0])

    def add(self, sums: Any) -> None:
        """Add what some steps returned."""
        self.sums = self.sums + np.asarray(sums, np.float64)

    def values(self) -> dict[str, float]:
        """Return what was measured, by name."""
        return self.ledger.values(self.sums)
