"""The one loop that trains and evaluates: the same numbers on every strategy.

Keras 3's `fit` averages means of unequal batches, clips before it reduces, and fails under several strategies. Here the
entries that count are added up over all replicas first; every replica then adds its share of the mean over the global batch,
so that gradients need only be summed, and are clipped and applied afterwards. Results do not depend on how a batch was cut.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.augmentation import Augmentation
from training.averaging import AveragedWeights
from training.batches import distribute_batches
from training.broadcast import count_workers
from training.data import Split
from training.loss_scale import LossScale
from training.objectives import Ledger, Objective, count
from training.strategy import BatchPlan
from zoo.config import INPUT_NAME
from zoo.errors import ConfigError
from zoo.heads import training_model

Batch = tuple[Any, Mapping[str, tf.Tensor], tuple[tf.Tensor, ...]]
"""Inputs, labels by head, and none or one tensor of weights."""


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
        *,
        accumulation: int = 1,
        jit: bool = False,
        ema: float | None = None,
    ) -> None:
        """Make a loop.

        Args:
            strategy: where the model lives.
            model: one of `zoo.build`; its weights are trained through a twin that gives logits.
            objectives: what to minimise and measure.
            optimizer: from `make_optimizer`; None can only evaluate.
            accumulation: into how many pieces a batch is cut, one after the other: those of `BatchPlan.pieces`.
            jit: compile each replica's forward and backward pass with XLA.
            ema: momentum of an average of the weights, which is then what is evaluated.

        Raises:
            ConfigError: what was asked for does not go together.
        """
        self.model = model
        self.ledger = Ledger(objectives)
        self.average: AveragedWeights | None = None
        self.scale: LossScale | None = None
        self._strategy = strategy
        self._objectives = objectives
        self._optimizer: Any = optimizer
        self._accumulation = accumulation
        self._workers = count_workers(strategy)
        several = strategy.num_replicas_in_sync > 1
        with strategy.scope():
            if several:
                synchronise_batch_norm(model)
                diversify_noise(model)
            self._logits_model = training_model(model)
            if optimizer is not None:
                optimizer.build(model.trainable_variables)
                self.average = AveragedWeights(model, ema) if ema is not None else None
                self.scale = LossScale() if _computes_in(model, "float16") else None
        if jit:
            check_jit(model, several=several)
        self._differentiated = (
            tf.function(self._differentiate, jit_compile=True, autograph=False) if jit else self._differentiate
        )
        self._train_call = tf.function(self._train_steps)
        self._evaluate_call = tf.function(self._evaluate_steps)

    def batches(
        self,
        split: Split,
        plan: BatchPlan,
        *,
        seed: int | None = None,
        first_step: int = 0,
        augmentation: Augmentation | None = None,
    ) -> Iterator[Any]:
        """Return the endless batches of a split that `train` and `evaluate` take; see `distribute_batches`."""
        return distribute_batches(
            self._strategy, split, plan, seed=seed, first_step=first_step, augmentation=augmentation
        )

    def train(self, batches: Iterator[Any], steps: int, *, stop: bool = False) -> tuple[np.ndarray, bool]:
        """Take so many optimizer steps in one call.

        Args:
            batches: where the steps' rows come from.
            steps: how many to take.
            stop: whether this process was asked to stop.

        Returns:
            What was measured on the way, as the ledger lays it out, and whether any process was asked to stop: all get to
            know after the same step.
        """
        sums, stops = self._train_call(batches, tf.constant(steps), tf.constant(float(stop)))
        return sums.numpy(), bool(stops.numpy() > 0)

    def evaluate(self, batches: Iterator[Any], steps: int, steps_per_call: int) -> dict[str, float]:
        """Return loss and metrics over the examples of so many batches."""
        return self.ledger.values(self.sums_by_call(batches, steps, steps_per_call).sum(axis=0))

    def sums_by_call(self, batches: Iterator[Any], steps: int, steps_per_call: int) -> np.ndarray:
        """Return what is measured of so many batches, as the ledger lays it out, call by call: (calls, width), float64."""
        calls = [min(steps_per_call, steps - done) for done in range(0, steps, steps_per_call)]
        return np.stack([np.asarray(self._measured(batches, count), np.float64) for count in calls])

    def _measured(self, batches: Iterator[Any], steps: int) -> np.ndarray:
        return self._evaluate_call(batches, tf.constant(steps)).numpy()

    def mean_loss(self, batch: Batch) -> tf.Tensor:
        """Return the mean loss of some rows as in training, with penalties and dropout, but on one replica."""
        wholes = tf.stack([_rows(batch), *(count(weights) for weights in self._weights(batch))])
        return self._forward(batch, wholes)[0]

    def _train_steps(self, batches: Iterator[Any], steps: tf.Tensor, stop: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sums = tf.zeros(self.ledger.width)
        for _ in tf.range(steps):
            gradients, found = self._strategy.run(as_it_is(self._gradients), args=(next(batches),))
            sums += self._first(found)
            as_it_is(self._apply_where_finite)(gradients)
        if self._workers > 1:
            stop = self._first(self._strategy.run(as_it_is(_total), args=(stop,)))
        return sums, stop

    def _evaluate_steps(self, batches: Iterator[Any], steps: tf.Tensor) -> tf.Tensor:
        sums = tf.zeros(self.ledger.width)
        for _ in tf.range(steps):
            sums += self._first(self._strategy.run(as_it_is(self._measure), args=(next(batches),)))
        return sums

    def _first(self, reduced: Any) -> tf.Tensor:
        return self._strategy.experimental_local_results(reduced)[0]  # after an all-reduce they are all the same

    def _gradients(self, batch: Batch) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Return, on each replica, the gradient of the global batch's mean loss and what was measured of that batch."""
        wholes = _all_reduce([self._counts(batch)])[0]
        gradients, sums = None, tf.zeros(self.ledger.width)
        for piece in _cut(batch, self._accumulation, rows=tf.cast(wholes[0], tf.int32)):
            found, measured = self._differentiated(piece, wholes)
            gradients = found if gradients is None else [a + b for a, b in zip(gradients, found, strict=True)]
            sums += measured
        *gradients, sums = _all_reduce([*(gradients or ()), sums])
        if self.scale is not None:
            gradients = [gradient / self.scale.scale.value for gradient in gradients]
        return gradients, sums

    def _apply_where_finite(self, gradients: Any) -> None:
        if self.scale is None:
            self._strategy.run(as_it_is(self._apply), args=(gradients,))
            return
        scale = self.scale
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(self._first(gradient))) for gradient in gradients])

        def take() -> tf.Tensor:
            self._strategy.run(as_it_is(self._apply), args=(gradients,))
            scale.taken()
            return tf.constant(0)

        def skip() -> tf.Tensor:
            scale.skipped()
            return tf.constant(0)

        tf.cond(finite, take, skip)

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        self._optimizer.apply(gradients, self.model.trainable_variables)
        if self.average is not None:
            self.average.update()

    def _measure(self, batch: Batch) -> tf.Tensor:
        _, sums = self._forward(batch, wholes=None)
        return _all_reduce([sums])[0]

    def _differentiate(self, batch: Batch, wholes: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        weights = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            loss, sums = self._forward(batch, wholes)
            if self.scale is not None:
                loss *= self.scale.scale.value
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # Dense: Keras' Adam does not add up the rows of an embedding that occur twice in a sparse gradient.
        return [tf.convert_to_tensor(gradient) for gradient in gradients], sums

    def _counts(self, batch: Batch) -> tf.Tensor:
        """Return the rows of a batch, and for every objective the entries that count: (1 + objectives,)."""
        return tf.stack([_rows(batch), *(count(weights) for weights in self._weights(batch))])

    def _weights(self, batch: Batch) -> list[tf.Tensor]:
        inputs, labels, given = batch
        main = inputs[INPUT_NAME] if isinstance(inputs, Mapping) else inputs
        return [o.weights(labels[o.head], main, given[0] if given else None) for o in self._objectives]

    def _forward(self, batch: Batch, wholes: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the share of these rows in the mean loss of the global batch (where training), and their sums.

        Args:
            batch: some rows; sums of none are 0, never NaN.
            wholes: `_counts` of the global batch; None evaluates.
        """
        inputs, labels, _ = batch
        inputs = tf.nest.map_structure(_as_taken, inputs, self.model.input)
        outputs = self._logits_model(inputs, training=wholes is not None)
        rows = _rows(batch)
        penalty = tf.add_n([tf.cast(loss, tf.float32) for loss in self.model.losses]) if self.model.losses else 0.0
        share = tf.constant(0.0) if wholes is None else penalty * rows / wholes[0]
        parts = [tf.stack([rows, penalty * rows])]
        for number, (objective, weights) in enumerate(zip(self._objectives, self._weights(batch), strict=True)):
            total, measured = objective.sums(labels[objective.head], outputs[objective.output], weights)
            if wholes is not None:
                share += objective.weight * tf.math.divide_no_nan(total, wholes[1 + number])
            parts += [tf.stack([total, count(weights)]), *measured]
        return share, tf.concat(parts, axis=0)


def as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep AutoGraph away from a function whose loops and conditions are Python's own."""
    return tf.autograph.experimental.do_not_convert(function)


def _rows(batch: Batch) -> tf.Tensor:
    return tf.cast(tf.shape(tf.nest.flatten(batch[0])[0])[0], tf.float32)


def _cut(batch: Batch, pieces: int, *, rows: tf.Tensor) -> Iterator[Batch]:
    """Yield a replica's share of each piece of a global batch of so many rows, as `distribute_batches` joined them."""
    if pieces == 1:
        yield batch
        return
    context = tf.distribute.get_replica_context()
    replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    low: Any = 0
    for number in range(pieces):
        size = rows * (number + 1) // pieces - rows * number // pieces
        high = low + size * (replica + 1) // replicas - size * replica // replicas if number < pieces - 1 else None
        yield tf.nest.map_structure(lambda array, low=low, high=high: array[low:high], batch)
        low = high


def _as_taken(array: tf.Tensor, taken: keras.KerasTensor) -> tf.Tensor:
    return array if array.dtype == tf.string else tf.cast(array, taken.dtype)


def _computes_in(model: keras.Model, dtype: str) -> bool:
    return any(layer.compute_dtype == dtype for layer in model._flatten_layers())  # noqa: SLF001


def check_jit(model: keras.Model, *, several: bool) -> None:
    """Refuse to compile what XLA cannot. Raises ConfigError."""
    if any(tensor.dtype == "string" for tensor in tf.nest.flatten(model.input)):
        raise ConfigError("train.jit: XLA computes numbers, but this model reads text: leave it out")
    if several and any(isinstance(layer, keras.layers.BatchNormalization) for layer in model._flatten_layers()):  # noqa: SLF001
        raise ConfigError(
            "train.jit: batch normalization over several replicas exchanges numbers in the middle of a pass, which XLA "
            "cannot: leave jit out, or choose another normalization"
        )


def synchronise_batch_norm(model: keras.Model) -> None:
    """Make every batch normalization of a model take its statistics over the global batch."""
    for layer in model._flatten_layers():  # noqa: SLF001 - the only way to see nested layers
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def diversify_noise(model: keras.Model) -> None:
    """Let every replica draw its own dropout masks: Keras's generators would give all replicas the same."""
    for layer in model._flatten_layers():  # noqa: SLF001
        for generator in getattr(layer, "_seed_generators", ()):
            generator.next = _next_of_replica(generator.next)


def _next_of_replica(draw: Any) -> Any:
    def next_seed(*, ordered: bool = True) -> tf.Tensor:
        seed = draw(ordered=ordered)
        context = tf.distribute.get_replica_context()
        replica = 0 if context is None else context.replica_id_in_sync_group
        return seed + tf.cast(tf.stack([replica, 0]), seed.dtype)

    return next_seed


def _total(value: tf.Tensor) -> tf.Tensor:
    return _all_reduce([tf.identity(value)])[0]  # on the replica's device: TensorFlow reduces nothing that is nowhere


def _all_reduce(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)
