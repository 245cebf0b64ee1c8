"""Which rows every step gets, handed out by the coordinator as a number and a few indices: any worker can take any step."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from training.augmentation import Augmentation
from training.batches import changed, epoch_order, gathered, tensors_of
from training.data import Split
from training.strategy import BatchPlan

Batch = tuple[Any, ...]


class HandedOut:
    """The endless steps of a split, as the arguments of the functions that workers run. For use from one thread.

    Every worker keeps all rows in memory. A step is its number, from 0 through all epochs, and the indices of its rows: the
    same that one device would take, and the same again where a step is repeated because its worker was lost.
    """

    def __init__(
        self,
        coordinator: tf.distribute.coordinator.ClusterCoordinator,
        split: Split,
        plan: BatchPlan,
        *,
        seed: int | None = None,
        first_step: int = 0,
        augmentation: Augmentation | None = None,
    ) -> None:
        """Send the rows to all workers. For the arguments see `training.batches.distribute_batches`."""
        rows = tensors_of(split)
        # One element, all rows, again and again: it has no place that could be lost when a worker is.
        everywhere = coordinator.create_per_worker_dataset(lambda: tf.data.Dataset.from_tensors(rows).repeat())
        self._rows = iter(everywhere)
        self._plan = plan
        self._seed = seed
        self._augmentation = augmentation
        self._step = first_step
        self._epoch = -1
        self._order = np.zeros(0, np.int64)

    def __iter__(self) -> Iterator[tuple[Any, tf.Tensor, tf.Tensor]]:
        """Return itself."""
        return self

    def __next__(self) -> tuple[Any, tf.Tensor, tf.Tensor]:
        """Return where a worker finds its rows, the number of the step (int64), and the indices of its rows, (rows,)."""
        epoch, into = divmod(self._step, self._plan.steps)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, epoch_order(self._plan.rows, self._seed, epoch).numpy()
        begin = into * self._plan.batch_size
        step = tf.constant(self._step, tf.int64)
        self._step += 1
        return self._rows, step, tf.constant(self._order[begin : begin + self._plan.batch_size], tf.int64)

    def taken(self, rows: Any, step: tf.Tensor, indices: tf.Tensor) -> Batch:
        """Return the batch of a step, on the worker: inputs, labels by head, weights."""
        batch = gathered(next(rows), indices)
        if self._augmentation is None:
            return batch
        places = tf.range(tf.shape(indices, tf.int64)[0])
        return changed(batch, self._augmentation, step=step, places=places, batch_size=self._plan.batch_size)
