"""What became of the inferences of each version: counts, rows and durations, whichever protocol they came by."""

import threading
import time
from collections.abc import Mapping
from copy import copy
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

    def add(self, seconds: float) -> None:
        """Count something that took so long."""
        self.count += 1
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


@dataclass(slots=True)
class _Tally:
    """Plain sums over the inferences of one version whose batches had as many rows: they are added to for every call."""

    calls: int = 0
    rows: int = 0
    executions: int = 0
    total: float = 0.0
    queue: float = 0.0
    decode: float = 0.0
    compute: float = 0.0
    compute_of_batches: float = 0.0
    """Each batch once, rather than for each inference in it."""
    encode: float = 0.0
    last: float = 0.0


@dataclass
class _Counts:
    """Of one version."""

    tallies: dict[int, _Tally] = field(default_factory=dict)
    """By rows of the batch; what succeeded."""
    fail: Duration = field(default_factory=Duration)

    def add(self, record: CallRecord) -> None:
        seconds = record.seconds
        total = seconds.get("total", 0.0)
        if record.code is not Code.OK:
            self.fail.add(total)
            return
        compute = seconds.get("compute")
        if compute is None:  # it asked for something else than an inference
            return
        executions = record.executions
        rows = (record.batch_rows or record.rows) // max(executions, 1)  # of one that was taken apart: of a piece
        tally = self.tallies.get(rows)
        if tally is None:
            tally = self.tallies[rows] = _Tally()
        tally.calls += 1
        tally.rows += record.rows
        tally.executions += executions
        tally.total += total
        tally.queue += seconds.get("queue", 0.0)
        tally.decode += seconds.get("decode", 0.0)
        tally.compute += compute
        if executions:
            tally.compute_of_batches += compute
        tally.encode += seconds.get("encode", 0.0)
        tally.last = time.time()

    def summed(self) -> VersionStatistics:
        tallies = self.tallies.values()
        calls = sum(each.calls for each in tallies)

        def duration(phase: str) -> Duration:
            return Duration(calls, sum(getattr(each, phase) for each in tallies))

        return VersionStatistics(
            success=duration("total"),
            fail=copy(self.fail),
            queue=duration("queue"),
            compute_input=duration("decode"),
            compute_infer=duration("compute"),
            compute_output=duration("encode"),
            rows=sum(each.rows for each in tallies),
            executions=sum(each.executions for each in tallies),
            last=max((each.last for each in tallies), default=0.0),
            batches={
                rows: BatchStatistics(
                    compute_input=Duration(each.executions, each.decode),
                    compute_infer=Duration(each.executions, each.compute_of_batches),
                    compute_output=Duration(each.executions, each.encode),
                )
                for rows, each in self.tallies.items()
            },
        )


class Statistics:
    """Counts inferences by version, from the records of their calls. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: dict[Version, _Counts] = {}

    def count(self, record: CallRecord) -> None:
        """Count a call that has ended, where it was an inference that got as far as a version."""
        if not record.model or record.version is None:
            return
        version = (record.model, record.version)
        with self._lock:
            counts = self._versions.get(version)
            if counts is None:
                counts = self._versions[version] = _Counts()
            counts.add(record)

    def of(self, model: str, version: int) -> VersionStatistics:
        """Return what was counted of a version: nothing, of one that was not asked yet."""
        with self._lock:
            counts = self._versions.get((model, version))
            return VersionStatistics() if counts is None else counts.summed()

    def all(self) -> Mapping[Version, VersionStatistics]:
        """Return what was counted of every version that was asked."""
        with self._lock:
            return {version: counts.summed() for version, counts in self._versions.items()}
