"""A lane: the jobs of one signature that wait, in order, and what was learnt about their cost."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator

from serving.batching_rules import BatchingRules
from serving.job import Ticket
from serving.priority import LEVELS
from serving.service_times import ServiceTimes


class Flow:
    """The jobs of one lane that are equally urgent, oldest first."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[Ticket, None] = OrderedDict()
        self.tag = 0.0
        """The virtual time at which its next batch starts: see `serving.levels`."""


class Lane:
    """Jobs that go through the same callable. Belongs to one queue."""

    def __init__(self, key: Hashable, rules: BatchingRules) -> None:
        self.key = key
        self.rules = rules
        self.flows = [Flow() for _ in range(LEVELS)]
        """The most urgent first."""
        self.jobs = 0
        self.rows = 0
        """Of what waits."""
        self.running = 0
        """Batches that are being computed."""
        self.times = ServiceTimes()

    def add(self, ticket: Ticket, level: int) -> None:
        """Have a job wait."""
        self.flows[level].waiting[ticket] = None
        self.jobs += 1
        self.rows += ticket.job.rows

    def remove(self, ticket: Ticket, level: int) -> None:
        """Forget a job that waits."""
        del self.flows[level].waiting[ticket]
        self.jobs -= 1
        self.rows -= ticket.job.rows

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
        worthwhile = self.times.worthwhile if self.rules.adaptive else None
        return self.rules.max_rows if worthwhile is None else min(worthwhile, self.rules.max_rows)

    def ripe_at(self) -> float | None:
        """Return when its next batch may start: in the past where at once, None where nothing waits."""
        if not self.jobs:
            return None
        if not self.rules.timeout or self.rows >= self.rules.max_rows:
            return float("-inf")
        oldest = self.oldest()
        return oldest.queued + self.rules.timeout if oldest is not None and oldest.joinable else float("-inf")
