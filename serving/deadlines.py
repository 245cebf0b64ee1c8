"""The deadlines of what waits."""

import heapq
import itertools
from collections.abc import Collection

from serving.job import Ticket

_SLACK = 64
"""Entries of jobs that wait no more that are put up with."""


class Deadlines:
    """Finds the jobs whose deadline has passed. What has left the queue is forgotten before it outnumbers what waits."""

    def __init__(self, waiting: Collection[Ticket]) -> None:
        """Watch over `waiting`, which its owner changes."""
        self._waiting = waiting
        self._heap: list[tuple[float, int, Ticket]] = []
        self._order = itertools.count()  # tickets cannot be compared

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, ticket: Ticket) -> None:
        """Watch a job that waits."""
        if ticket.job.deadline is None:
            return
        heapq.heappush(self._heap, (ticket.job.deadline, next(self._order), ticket))

    def forget(self) -> None:
        """Have what waits no more go, once there is much of it; call whenever a job leaves the queue."""
        if len(self._heap) > 2 * len(self._waiting) + _SLACK:
            self._heap = [entry for entry in self._heap if entry[2] in self._waiting]
            heapq.heapify(self._heap)

    def first(self) -> float | None:
        """Return the earliest deadline of a job that waits."""
        while self._heap and self._heap[0][2] not in self._waiting:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now: float) -> list[Ticket]:
        """Return the jobs that wait and whose deadline has passed, and watch them no longer."""
        passed = []
        while (first := self.first()) is not None and first <= now:
            passed.append(heapq.heappop(self._heap)[2])
        return passed
