"""The one loop that trains and evaluates: the same numbers on every strategy.

Keras 3's `fit` averages means of unequal batches, clips before it reduces, and fails under several strategies. Here every
replica computes *sums* over its rows; one all-reduce adds up gradients, row count and metrics; the sums are divided by the
rows of the global batch, clipped and applied. So results do not depend on how a batch was cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.objectives import Objective, measure, metric_names
from zoo.heads import training_model

Batch = tuple[tf.Tensor | Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]]


@dataclass
class Totals:
    """Sums over examples, in float64 on the host, and how many examples there were."""

    names: Sequence[str]
    rows: float = 0.0
    sums: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def add(self, packed: tf.Tensor) -> None:
        """Add what a call returned: the number of rows, then a sum per name."""
        values = packed.numpy().astype(np.float64)
        self.rows += float(values[0])
        self.sums = values[1:] + (self.sums if self.sums.size else 0.0)

    def means(self) -> dict[str, float]:
        """Return the mean per example of everything measured."""
        return {name: float(total / self.rows) for name, total in zip(self.names, self.sums, strict=True)}


class Loop:
    """A model, an optimizer and a strategy, ready to take steps. For use from one thread.

    Build model and optimizer inside `strategy.scope()`.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        objectives: tuple[Objective, ...],
        optimizer: keras.Optimizer | None = None,
    ) -> None:
        """Make a loop.

        Args:
            strategy: where the model lives.
            model: one of `zoo.build`; its weights are trained through a twin that gives logits.
            objectives: what to minimise and measure.
            optimizer: from `make_optimizer`; None can only evaluate.
        """
        self.model = model
        self.names = metric_names(objectives)
        self._strategy = strategy
        self._objectives = objectives
        self._optimizer: Any = optimizer
        with strategy.scope():
            if strategy.num_replicas_in_sync > 1:
                synchronise_batch_norm(model)
            self._logits_model = training_model(model)
            if optimizer is not None:
                optimizer.build(model.trainable_variables)
        self._train_call = tf.function(self._train_steps)
        self._evaluate_call = tf.function(self._evaluate_steps)

    def train(self, batches: Iterator[Any], steps: int, totals: Totals) -> None:
        """Take so many optimizer steps in one call, and add what was measured on the way to the totals."""
        totals.add(self._train_call(batches, tf.constant(steps)))

    def evaluate(self, batches: Iterator[Any], steps: int, steps_per_call: int) -> dict[str, float]:
        """Return the mean of loss and metrics over the examples of so many batches."""
        totals = Totals(self.names)
        for done in range(0, steps, steps_per_call):
            totals.add(self._evaluate_call(batches, tf.constant(min(steps_per_call, steps - done))))
        return totals.means()

    def _train_steps(self, batches: Iterator[Any], steps: tf.Tensor) -> tf.Tensor:
        totals = tf.zeros(1 + len(self.names))
        for _ in tf.range(steps):
            totals += self._first(self._strategy.run(self._train_replica, args=(next(batches),)))
        return totals

    def _evaluate_steps(self, batches: Iterator[Any], steps: tf.Tensor) -> tf.Tensor:
        totals = tf.zeros(1 + len(self.names))
        for _ in tf.range(steps):
            totals += self._first(self._strategy.run(self._evaluate_replica, args=(next(batches),)))
        return totals

    def _first(self, reduced: Any) -> tf.Tensor:
        return self._strategy.experimental_local_results(reduced)[0]  # after an all-reduce they are all the same

    def _train_replica(self, batch: Batch) -> tf.Tensor:
        weights = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            loss, packed = self._sums(batch, training=True)
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # Dense: Keras' Adam does not add up the rows of an embedding that occur twice in a sparse gradient.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        *gradients, packed = _all_reduce([*gradients, packed])
        rows = packed[0]
        self._optimizer.apply([gradient / rows for gradient in gradients], self.model.trainable_variables)
        return packed

    def _evaluate_replica(self, batch: Batch) -> tf.Tensor:
        _, packed = self._sums(batch, training=False)
        return _all_reduce([packed])[0]

    def _sums(self, batch: Batch, *, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the summed loss of these rows, and [rows, sum per metric]. Sums of no rows are 0, never NaN."""
        inputs, labels = batch
        inputs = tf.nest.map_structure(_as_taken, inputs, self.model.input)
        outputs = self._logits_model(inputs, training=training)
        rows = tf.cast(tf.shape(tf.nest.flatten(inputs)[0])[0], tf.float32)
        found = measure(self._objectives, labels, outputs)
        sums = {name: tf.reduce_sum(values) for name, values in found.items()}
        if self.model.losses:  # penalties on weights count once per example, so that dividing by rows keeps them whole
            sums["loss"] += tf.add_n([tf.cast(loss, tf.float32) for loss in self.model.losses]) * rows
        return sums["loss"], tf.stack([rows, *(sums[name] for name in self.names)])


def _as_taken(array: tf.Tensor, taken: keras.KerasTensor) -> tf.Tensor:
    return array if array.dtype == tf.string else tf.cast(array, taken.dtype)


def synchronise_batch_norm(model: keras.Model) -> None:
    """Make every batch normalization of a model take its statistics over the global batch."""
    for layer in model._flatten_layers():  # noqa: SLF001 - the only way to see nested layers
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def _all_reduce(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)
