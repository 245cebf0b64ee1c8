"""Measuring a split, as often as asked."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import tensorflow as tf

from training.config import LoopConfig
from training.data import Dataset
from training.loop import Loop
from training.static_shapes import padded, plan_padded
from training.strategy import plan_evaluation


class Evaluation:
    """One split, planned at once (raises ConfigError where it cannot be), to be measured whenever asked."""

    def __init__(
        self,
        loop: Loop,
        strategy: tf.distribute.Strategy,
        data: Dataset,
        *,
        split: str,
        config: LoopConfig,
        static: bool = False,
    ) -> None:
        """Plan to measure a split of a data set with a loop's model, in batches of `config.eval_batch_size`.

        With `static`, all batches have one shape; rows that fill the last one up count for nothing.
        """
        self._loop = loop
        self._split = data.split(split)
        rows, replicas = len(self._split), strategy.num_replicas_in_sync
        if static and rows:
            self._plan = plan_padded(rows, config.eval_batch_size, replicas)
            self._split = padded(self._split, self._plan.rows)
        else:
            self._plan = plan_evaluation(split, rows, config.eval_batch_size, replicas, loop.model)
        self._steps_per_call = config.steps_per_call

    @cached_property
    def _batches(self) -> Iterator[Any]:
        # Endless, and each measurement takes whole epochs. Made when needed: it copies the rows into TensorFlow.
        return self._loop.batches(self._split, self._plan)

    def measure(self) -> dict[str, float]:
        """Return loss and metrics of the model's weights as they are."""
        return self._loop.evaluate(self._batches, self._plan.steps, self._steps_per_call)
