"""Passes what a caller asked one worker for on to all of them, and their answers back to that one.

What changes what is served goes to all workers in the same order, one request at a time; the rest at once.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

from serving.control import CONTROL
from serving.wire import METRICS
from serving.workers.messages import Answer, Answers, Outcome, Request, WorkerState

DEPARTED = -1
"""The number of all workers that have ended, in answers of what is counted."""


class Member(Protocol):
    """A worker, as far as it takes part."""

    number: int
    takes_calls: bool
    """Whether its answer is waited for. One that does not yet does as it is told before it takes calls."""

    def send(self, message: object) -> None:
        """Send it a message."""
        ...


@dataclass
class _Exchange:
    asker: Member
    number: int
    """Of the one who asked."""
    request: Request
    missing: set[int]
    outcomes: dict[int, Outcome] = field(default_factory=dict)


class Exchanges:
    """State: requests that wait and those that are open, and what workers serve since the last one. For one thread."""

    def __init__(self) -> None:
        self.state: WorkerState | None = None
        """What a new worker has to serve; None where that is still what it was started with."""
        self._members: dict[int, Member] = {}
        self._numbers = count()
        self._open: dict[int, _Exchange] = {}
        self._ordered: int | None = None
        self._waiting: deque[tuple[Member, Request]] = deque()
        self._pages: dict[int, bytes] = {}
        self._departed: bytes | None = None

    def join(self, member: Member) -> None:
        """Take in a worker that was just given its orders, with `state`."""
        self._members[member.number] = member
        if self._ordered is not None:
            member.send(self._open[self._ordered].request)

    def leave(self, member: Member) -> None:
        """Wait no longer for a worker, nor on its behalf."""
        if self._members.get(member.number) is not member:
            return
        del self._members[member.number]
        self._keep_counts(member.number)
        self._waiting = deque((asker, request) for asker, request in self._waiting if asker is not member)
        for number, exchange in list(self._open.items()):
            if member.number in exchange.missing:
                exchange.missing.remove(member.number)
                self._close_if_done(number, exchange)

    def ask(self, asker: Member, request: Request) -> None:
        """Have a request of one worker answered by all."""
        if request.path in CONTROL:
            self._waiting.append((asker, request))
            self._next()
        else:
            self._begin(asker, request, self._serving())

    def answered(self, member: Member, answer: Answer) -> None:
        """Take the answer of one worker."""
        exchange = self._open.get(answer.number)
        if exchange is None or member.number not in exchange.missing:
            return  # it was told for its own sake, or too late
        exchange.missing.remove(member.number)
        exchange.outcomes[member.number] = answer.outcome
        if answer.state is not None and (self._is_first(exchange) or isinstance(answer.outcome, bytes)):
            self.state = answer.state
        self._close_if_done(answer.number, exchange)

    def _is_first(self, exchange: _Exchange) -> bool:
        return len(exchange.outcomes) == 1

    def _serving(self) -> list[Member]:
        return [member for member in self._members.values() if member.takes_calls]

    def _next(self) -> None:
        """Begin the next request that changes what is served, where none is under way."""
        if self._ordered is None and self._waiting:
            asker, request = self._waiting.popleft()
            self._ordered = self._begin(asker, request, self._members.values())

    def _begin(self, asker: Member, request: Request, members: Iterable[Member]) -> int:
        number = next(self._numbers)
        passed_on = replace(request, number=number)
        missing = {member.number for member in self._serving()}
        self._open[number] = _Exchange(asker, request.number, passed_on, missing)
        for member in list(members):
            member.send(passed_on)
        return number

    def _close_if_done(self, number: int, exchange: _Exchange) -> None:
        if exchange.missing:
            return
        del self._open[number]
        outcomes = exchange.outcomes
        if exchange.request.path == METRICS:
            self._pages.update((worker, page) for worker, page in outcomes.items() if isinstance(page, bytes))
            if self._departed is not None:
                outcomes = {**outcomes, DEPARTED: self._departed}
        exchange.asker.send(Answers(exchange.number, outcomes))
        if number == self._ordered:
            self._ordered = None
            self._next()

    def _keep_counts(self, worker: int) -> None:
        """Keep what a worker that ended had counted when it was last asked: sums over all workers never fall."""
        page = self._pages.pop(worker, None)
        if page is None:
            return
        from serving.http.shared_metrics import counts_of  # only where HTTP is asked for, whose library it needs

        self._departed = counts_of([page] if self._departed is None else [self._departed, page])
