"""A lane: the jobs of one signature that wait, in order, and what was learnt about their cost."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from serving.batching_rules import BatchingRules
from serving.job import Ticket
from serving.priority import LEVELS
from serving.service_times import ServiceTimes

_FORGOTTEN = 1 / 8
"""Of the part of a crowd that is not there, with every batch."""


class Flow:
    """The jobs of one lane that are equally urgent, oldest first."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[Ticket, None] = OrderedDict()
        self.rows = 0
        self.tag = 0.0
        """The virtual time at which its next batch starts: see `serving.levels`."""


@dataclass(frozen=True)
class Derived:
    """What follows from measured times."""

    most_rows: int
    """That a batch may have."""
    seconds: float
    """That a batch of so many will take."""


class Lane:
    """Jobs that go through the same callable. Belongs to one queue."""

    def __init__(self, key: Hashable, rules: BatchingRules, batch_seconds: float | None = None) -> None:
        """Prepare a lane whose batches may take so many seconds, where its rules do not say how large they are."""
        self.key = key
        self.rules = rules
        self.flows = [Flow() for _ in range(LEVELS)]
        """The most urgent first."""
        self.jobs = 0
        self.rows = 0
        """Of what waits."""
        self.running = 0
        """Batches that are being computed."""
        self._computed = 0
        """Rows of these."""
        self.crowd = 0.0
        """How many rows wait or are computed where most do, of late."""
        self.takes_one_core = False
        """Whether a batch leaves the other cores to others."""
        self.times = ServiceTimes(batch_seconds)

    def add(self, ticket: Ticket, level: int) -> None:
        """Have a job wait."""
        flow = self.flows[level]
        flow.waiting[ticket] = None
        flow.rows += ticket.job.rows
        self.jobs += 1
        self.rows += ticket.job.rows
        self.crowd = max(self.crowd, self.rows + self._computed)

    def remove(self, ticket: Ticket, level: int) -> None:
        """Forget a job that waits."""
        flow = self.flows[level]
        del flow.waiting[ticket]
        flow.rows -= ticket.job.rows
        self.jobs -= 1
        self.rows -= ticket.job.rows

    def begin(self, rows: int) -> None:
        """Have a batch be computed whose jobs have left."""
        self.running += 1
        self._computed += rows

    def end(self, rows: int) -> None:
        """Have one be computed no more."""
        self.crowd -= _FORGOTTEN * (self.crowd - self.rows - self._computed)
        self.running -= 1
        self._computed -= rows

    def jobs_ahead(self, level: int) -> int:
        """Return how many jobs wait that are not less urgent."""
        return sum(len(flow.waiting) for flow in self.flows[: level + 1])

    def rows_ahead(self, level: int) -> int:
        """Return how many rows these have."""
        return sum(flow.rows for flow in self.flows[: level + 1])

    def by_urgency(self, first: int) -> Iterator[Flow]:
        """Return the levels, one of them before all others."""
        yield self.flows[first]
        yield from (flow for level, flow in enumerate(self.flows) if level != first)

    def oldest(self) -> Ticket | None:
        """Return the job that came first."""
        heads = [next(iter(flow.waiting)) for flow in self.flows if flow.waiting]
        return min(heads, key=lambda ticket: ticket.queued, default=None)

    def most_rows(self) -> int:
        """Return how many rows its next batch may have."""
        most, times = self.rules.max_rows, self.times
        if self.rules.adaptive and times.worthwhile is not None:
            most = min(most, times.worthwhile)
        if times.timely is not None and not self.rules.size_is_given:
            most = min(most, times.timely)
        return most

    def ripe_at(self) -> float | None:
        """Return when its next batch may start: in the past where at once, None where nothing waits."""
        if not self.jobs:
            return None
        if not self.rules.timeout or self.rows >= self.most_rows():
            return float("-inf")
        oldest = self.oldest()
        return oldest.queued + self.rules.timeout if oldest is not None and oldest.joinable else float("-inf")
