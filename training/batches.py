"""Endless batches of a split, the same for any number of replicas, from any step on."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from training.augmentation import Augmentation
from training.data import Split
from training.data.alignment import is_aligned
from training.strategy import BatchPlan
from zoo.config import INPUT_NAME


def distribute_batches(
    strategy: tf.distribute.Strategy,
    split: Split,
    plan: BatchPlan,
    *,
    seed: int | None = None,
    first_step: int = 0,
    augmentation: Augmentation | None = None,
    one_step: bool = False,
) -> Iterator[Any]:
    """Return an iterator over per-replica (inputs, labels by head name, weights), epoch after epoch without end.

    Several inputs come as a dict; weights are a tuple of one tensor, or of none where all rows count alike.

    Every epoch is a permutation of the rows, keyed by (seed, epoch), cut into global batches, so which rows a step sees
    depends on the seed and the step alone. A batch is cut into `plan.pieces`, and each of these into a share per replica, as
    even as can be: what is computed together does not depend on the number of replicas. The last batch of an epoch may be
    smaller, and shares may be empty. Rows are found by index: there is nothing for TensorFlow to shard.

    Args:
        strategy: where the pieces go.
        split: rows in memory.
        plan: how they are cut.
        seed: of the order of the rows; None keeps them in order.
        first_step: the global step to begin with; steps count on through the epochs.
        augmentation: what changes the images on the way.
        one_step: repeat the first step's batch for ever, which costs next to nothing: to see what the rest costs.
    """
    tensors = tensors_of(split)

    def of_pipeline(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = context.num_replicas_in_sync // context.num_input_pipelines
        first_replica = context.input_pipeline_id * local
        pieces = make_pieces(
            tensors,
            plan,
            seed=seed,
            first_step=first_step,
            replicas=range(first_replica, first_replica + local),
            augmentation=augmentation,
        )
        return pieces.take(local).cache().repeat() if one_step else pieces

    if _is_on_cpus(strategy):
        return _iterator_on_cpus(strategy, of_pipeline)
    return iter(strategy.distribute_datasets_from_function(of_pipeline))


def make_pieces(
    tensors: tuple[Any, ...],
    plan: BatchPlan,
    *,
    seed: int | None,
    first_step: int,
    replicas: range,
    augmentation: Augmentation | None = None,
) -> tf.data.Dataset:
    """Return what these replicas get, step by step, replica by replica: the order in which a worker deals it out.

    `tensors` are those of `tensors_of`; for the other arguments see `distribute_batches`.
    """
    first_epoch, steps_into = divmod(first_step, plan.steps)
    local = len(replicas)

    def of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = epoch_order(plan.rows, seed, epoch)
        begin = tf.where(epoch == first_epoch, np.int64(steps_into * local), np.int64(0))

        def piece(index: tf.Tensor) -> tuple[Any, ...]:
            step = index // local
            start = step * plan.batch_size
            size = tf.minimum(np.int64(plan.batch_size), plan.rows - start)
            places = _places(size, plan, replicas.start + index % local)
            rows = tf.ensure_shape(tf.gather(order, start + places), [plan.share])
            return gathered(tensors, rows) if augmentation is None else (epoch * plan.steps + step, places, rows)

        return tf.data.Dataset.range(begin, plan.steps * local).map(piece)

    endless = tf.data.Dataset.counter(first_epoch).flat_map(of_epoch)
    if augmentation is not None:
        of_step = partial(_changed_rows, tensors, augmentation, plan.batch_size)
        # Gathering alone is quicker in one thread: handing over to others costs more than it saves.
        endless = endless.map(of_step, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    # Told that there is no end, TensorFlow does not guard every step against one.
    endless = endless.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return endless.prefetch(tf.data.AUTOTUNE).with_options(_options())


def tensors_of(split: Split) -> tuple[Any, ...]:
    """Return inputs, labels by head and weights of all rows of a split, in the memory of this machine."""
    with tf.device("/cpu:0"):
        inputs = tf.nest.map_structure(_as_tensor, split.inputs)
        labels = {name: _as_tensor(array) for name, array in split.named_labels().items()}
        weights = () if split.weights is None else (tf.constant(split.weights, tf.float32),)
    return inputs, labels, weights


def epoch_order(rows: int, seed: int | None, epoch: Any) -> tf.Tensor:
    """Return in which order an epoch, counted from 0, takes the rows: (rows,) of int64; with no seed, as they are."""
    order = tf.range(rows, dtype=tf.int64)
    if seed is None:
        return order
    return tf.random.experimental.stateless_shuffle(order, seed=tf.stack([np.int64(seed), tf.cast(epoch, tf.int64)]))


def gathered(tensors: tuple[Any, ...], rows: tf.Tensor) -> tuple[Any, ...]:
    """Return some rows of `tensors_of`."""
    return tf.nest.map_structure(lambda array: tf.gather(array, rows), tensors)


def changed(
    batch: tuple[Any, ...], augmentation: Augmentation, *, step: tf.Tensor, places: tf.Tensor, batch_size: int
) -> tuple[Any, ...]:
    """Return some rows of a step's batch with their images changed. For the arguments see `Augmentation.change`."""
    found, *rest = batch
    images = found[INPUT_NAME] if isinstance(found, dict) else found
    images = augmentation.change(images, step=step, places=places, batch_size=batch_size)
    return {**found, INPUT_NAME: images} if isinstance(found, dict) else images, *rest


def _changed_rows(
    tensors: tuple[Any, ...], augmentation: Augmentation, size: int, step: tf.Tensor, places: tf.Tensor, rows: tf.Tensor
) -> tuple[Any, ...]:
    return changed(gathered(tensors, rows), augmentation, step=step, places=places, batch_size=size)


def _is_on_cpus(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether the replicas of this process are on CPUs, of a strategy that can have a pipeline for each."""
    kinds = tf.distribute.OneDeviceStrategy | tf.distribute.MirroredStrategy | tf.distribute.MultiWorkerMirroredStrategy
    return isinstance(strategy, kinds) and all(":CPU:" in device.upper() for device in strategy.extended.worker_devices)


def _iterator_on_cpus(
    strategy: tf.distribute.Strategy, of_pipeline: Callable[[tf.distribute.InputContext], tf.data.Dataset]
) -> Iterator[Any]:
    """Return an iterator that has a pipeline for each replica.

    One for all of them goes through queues that bring its elements to other devices. Those are of use to GPUs; between CPUs
    they are a third of what a small step costs (see docs/decisions/0031-a-pipeline-for-each-replica.md).
    """
    if isinstance(strategy, tf.distribute.MirroredStrategy):
        options = tf.distribute.InputOptions(
            experimental_fetch_to_device=False,
            experimental_replication_mode=tf.distribute.InputReplicationMode.PER_REPLICA,
        )
        return iter(strategy.distribute_datasets_from_function(of_pipeline, options))
    replicas, resolver = strategy.num_replicas_in_sync, strategy.cluster_resolver
    number = 0 if resolver is None else resolver.task_id  # a worker without GPUs is one replica
    return iter(of_pipeline(tf.distribute.InputContext(replicas, number, replicas)))


def _places(size: tf.Tensor, plan: BatchPlan, replica: tf.Tensor) -> tf.Tensor:
    """Return which of a batch's rows a replica gets, in order: its share of each piece."""
    shares = []
    for number in range(plan.pieces):
        first, end = size * number // plan.pieces, size * (number + 1) // plan.pieces
        low = first + (end - first) * replica // plan.replicas
        high = first + (end - first) * (replica + 1) // plan.replicas
        shares.append(tf.range(low, high))
    return shares[0] if plan.pieces == 1 else tf.concat(shares, axis=0)


def _as_tensor(array: np.ndarray) -> tf.Tensor:
    """Return an array as a tensor: the same memory where it can be (`Split.aligned`), as `tf.constant` never does."""
    return tf.raw_ops.Identity(input=array) if is_aligned(array) else tf.constant(array)


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    options.deterministic = True
    # TensorFlow's rewriting of the pipeline finds nothing to improve here, and copies every row on the way (2.21).
    options.experimental_optimization.apply_default_optimizations = False
    return options
