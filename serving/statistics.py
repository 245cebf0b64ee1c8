"""What became of the inferences of each version: counts, rows and durations, whichever protocol they came by."""

import threading
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from serving.call_record import CallRecord
from serving.status import Code

Version = tuple[str, int]
"""A model's name and the number of a version of it."""


@dataclass
class Duration:
    """How often something happened, and how long it took in all."""

    count: int = 0
    seconds: float = 0.0

    @property
    def ns(self) -> int:
        """Return it in nanoseconds, as the Open Inference Protocol has it."""
        return round(self.seconds * 1e9)

    def add(self, seconds: float, count: int = 1) -> None:
        """Count something that took so long."""
        self.count += count
        self.seconds += seconds


@dataclass
class BatchStatistics:
    """Of the batches of one size: `count` tells how many were computed."""

    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)


@dataclass
class VersionStatistics:
    """Of one version, since the server started."""

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    """This and what follows are of the inferences that succeeded."""
    compute_input: Duration = field(default_factory=Duration)
    """Decoding."""
    compute_infer: Duration = field(default_factory=Duration)
    """The engine. A batch counts for each inference in it."""
    compute_output: Duration = field(default_factory=Duration)
    """Encoding."""
    rows: int = 0
    executions: int = 0
    """Runs of the engine."""
    last: float = 0.0
    """When the last one ended, in seconds since 1970."""
    batches: dict[int, BatchStatistics] = field(default_factory=dict)
    """By rows of the batch."""


class Statistics:
    """Counts inferences by version, from the records of their calls. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: dict[Version, VersionStatistics] = {}

    def count(self, record: CallRecord) -> None:
        """Count a call that has ended, where it was an inference that got as far as a version."""
        if not record.model or record.version is None:
            return
        with self._lock:
            statistics = self._versions.setdefault((record.model, record.version), VersionStatistics())
            _count(statistics, record)

    def of(self, model: str, version: int) -> VersionStatistics:
        """Return a copy of what was counted of a version: nothing, of one that was not asked yet."""
        with self._lock:
            return deepcopy(self._versions.get((model, version), VersionStatistics()))

    def all(self) -> Mapping[Version, VersionStatistics]:
        """Return a copy of what was counted of every version that was asked."""
        with self._lock:
            return deepcopy(self._versions)


def _count(statistics: VersionStatistics, record: CallRecord) -> None:
    seconds = record.seconds
    total = seconds.get("total", 0.0)
    if record.code is not Code.OK:
        statistics.fail.add(total)
        return
    if "compute" not in seconds:  # it asked for something else than an inference
        return
    decode, compute, encode = seconds.get("decode", 0.0), seconds["compute"], seconds.get("encode", 0.0)
    statistics.success.add(total)
    statistics.queue.add(seconds.get("queue", 0.0))
    statistics.compute_input.add(decode)
    statistics.compute_infer.add(compute)
    statistics.compute_output.add(encode)
    statistics.rows += record.rows
    statistics.executions += record.executions
    statistics.last = time.time()
    rows = (record.batch_rows or record.rows) // max(record.executions, 1)  # of one that was taken apart: of a piece
    batch = statistics.batches.setdefault(rows, BatchStatistics())
    batch.compute_input.add(decode, record.executions)
    batch.compute_infer.add(compute if record.executions else 0.0, record.executions)
    batch.compute_output.add(encode, record.executions)
