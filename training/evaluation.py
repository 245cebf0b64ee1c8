"""Measuring a split, as often as asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from training.config import LoopConfig
from training.data import Dataset, Split
from training.intervals import BLOCKS, GROUPS, Interval, metric_intervals
from training.loop import Loop
from training.static_shapes import padded, plan_padded
from training.strategy import BatchPlan, plan_evaluation

_SEED = 0
"""Of which rows are put into a group together."""


@dataclass(frozen=True)
class Measurement:
    """What a split came to, and how far that may be from the truth."""

    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    """95 %, of everything that is finite."""


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
        self._name = split
        self._rows = data.split(split)
        self._in_time = data.in_time
        self._replicas = strategy.num_replicas_in_sync
        self._static = static and len(self._rows) > 0
        self._config = config
        self._split, self._plan = self._planned(config.eval_batch_size)

    @cached_property
    def _batches(self) -> Iterator[Any]:
        # Endless, and each measurement takes whole epochs. Made when needed: it copies the rows into TensorFlow.
        return self._loop.batches(self._split, self._plan)

    def measure(self) -> dict[str, float]:
        """Return loss and metrics of the model's weights as they are."""
        return self._loop.evaluate(self._batches, self._plan.steps, self._config.steps_per_call)

    def measure_with_intervals(self) -> Measurement:
        """Return loss and metrics of the model's weights as they are, with their confidence intervals.

        That takes one pass, in batches that are groups of rows drawn at random, or in time stretches of it.
        """
        groups = BLOCKS if self._in_time else GROUPS
        split, plan = self._planned(min(self._config.eval_batch_size, -(-len(self._rows) // groups)))
        batches = self._loop.batches(split, plan, seed=None if self._in_time else _SEED)
        sums = self._loop.sums_by_call(batches, plan.steps, -(-plan.steps // groups))
        plain = self._rows.weights is None and not self._in_time
        intervals = metric_intervals(self._loop.ledger, sums, plain=plain)
        return Measurement(self._loop.ledger.values(sums.sum(axis=0)), intervals)

    def _planned(self, batch_size: int) -> tuple[Split, BatchPlan]:
        rows = len(self._rows)
        if self._static:
            plan = plan_padded(rows, batch_size, self._replicas)
            return padded(self._rows, plan.rows), plan
        return self._rows, plan_evaluation(self._name, rows, batch_size, self._replicas, self._loop.model)
