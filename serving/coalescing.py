"""Threads of one client that ask the same of one model share requests; each gets its own rows back.

Who finds no request of the kind on its way sends at once. Who comes meanwhile waits for its end, then all of them go as one
request: nobody waits for company alone. Of a kind are asks of the same model, version, signature and outputs, whose inputs
have the same names, dtypes and shapes of a row. See docs/decisions/0029-clients-share-requests.md.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

import numpy as np

from serving.call_error import CallError

Answer = dict[str, np.ndarray]
Kind = tuple[object, ...]

EVERYBODYS = frozenset(
    {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "UNAVAILABLE",
        "UNIMPLEMENTED",
    }
)
"""Errors that no row of a request is the reason of; after any other one, everyone asks alone."""
_LEAST_SECONDS = 1e-3


@dataclass(frozen=True)
class Ask:
    """What one caller asks of a model."""

    model: str
    version: int | str | None
    signature: str
    outputs: tuple[str, ...]
    inputs: Mapping[str, np.ndarray]

    @property
    def subject(self) -> Kind:
        """What is asked, whatever the rows are."""
        return (self.model, self.version, self.signature, self.outputs)

    @property
    def kind(self) -> Kind:
        """What asks of one request have in common."""
        rows = sorted((name, array.dtype.str, array.dtype.name, array.shape[1:]) for name, array in self.inputs.items())
        return (self.subject, tuple(rows))

    @property
    def rows(self) -> int:
        """Length of the first axis of every input; 0 where they do not have that in common."""
        lengths = {array.shape[0] if array.ndim else 0 for array in self.inputs.values()}
        return lengths.pop() if len(lengths) == 1 else 0


class Sender(Protocol):
    """Sends requests; from any thread."""

    def ask(self, ask: Ask, timeout: float) -> Answer:
        """Send one and wait for its answer. Raises CallError."""
        ...

    def start(self, ask: Ask, timeout: float, done: Callable[[Answer | CallError], None]) -> Callable[[], object]:
        """Send one, and call `done` once from any thread. Returns what cancels it."""
        ...

    def answers_by_row(self, ask: Ask, timeout: float) -> bool:
        """Tell whether the first axis of every input and output counts rows. Raises CallError."""
        ...


class _Turn(Enum):
    """What a waiting caller is told instead of an answer."""

    NEXT = "send your request: the next ones wait for its end"
    ALONE = "send your request: nobody waits for it"


@dataclass(eq=False)
class _Member:
    """A caller that waits. What is in it changes under the lock of its Coalescer."""

    ask: Ask
    deadline: float
    event: threading.Event
    outcome: Answer | CallError | _Turn | None = None
    joint: "_Joint | None" = None


@dataclass(eq=False)
class _Joint:
    """A request of several members."""

    members: Sequence[_Member]
    waiting: int
    cancel: Callable[[], object] | None = None
    refused: bool = False
    """Whether the server found the joint request invalid."""
    answered_alone: int = 0


@dataclass(eq=False)
class Coalescer:
    """Gathers the asks of any number of threads."""

    sender: Sender
    max_rows: int
    """Of a joint request."""
    now: Callable[[], float] = time.monotonic
    event: Callable[[], threading.Event] = threading.Event
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lanes: dict[Kind, deque[_Member]] = field(default_factory=dict)
    """Who waits, by kind; there is a lane where a request of the kind is on its way."""
    _by_row: dict[Kind, bool] = field(default_factory=dict)
    """By subject: whether its asks may be joined."""

    def ask(self, ask: Ask, timeout: float) -> Answer:
        """Return an answer of as many rows as were asked. Raises what `Sender.ask` does."""
        deadline = self.now() + timeout
        if not 0 < ask.rows < self.max_rows or self._by_row.get(ask.subject) is False:
            return self.sender.ask(ask, timeout)
        kind = ask.kind
        if self._is_busy(kind) and not self._may_join(ask, timeout):
            return self._alone(ask, deadline)
        member = self._enter(kind, ask, deadline)
        return self._send_first(kind, ask, deadline) if member is None else self._wait(kind, member)

    def _is_busy(self, kind: Kind) -> bool:
        with self._lock:
            return kind in self._lanes

    def _may_join(self, ask: Ask, timeout: float) -> bool:
        if ask.subject not in self._by_row:
            try:
                found = self.sender.answers_by_row(ask, timeout)
            except CallError:
                return False
            with self._lock:
                self._by_row.setdefault(ask.subject, found)
        return self._by_row[ask.subject]

    def _enter(self, kind: Kind, ask: Ask, deadline: float) -> _Member | None:
        """Return the place in the lane; None for who goes first."""
        with self._lock:
            if kind not in self._lanes:
                self._lanes[kind] = deque()
                return None
            if self._by_row.get(ask.subject) is not True:  # the lane became busy since it was looked at
                return _Member(ask, deadline, self.event(), outcome=_Turn.ALONE)
            member = _Member(ask, deadline, self.event())
            self._lanes[kind].append(member)
            return member

    def _send_first(self, kind: Kind, ask: Ask, deadline: float) -> Answer:
        try:
            return self._alone(ask, deadline)
        finally:
            self._send_next(kind)

    def _alone(self, ask: Ask, deadline: float) -> Answer:
        left = deadline - self.now()
        if left <= 0:
            raise _too_late()
        return self.sender.ask(ask, left)

    def _wait(self, kind: Kind, member: _Member) -> Answer:
        try:
            if member.outcome is None:
                member.event.wait(max(member.deadline - self.now(), 0))
        except BaseException:  # such as Ctrl-C, which concerns this thread alone
            self._leave(kind, member)
            raise
        outcome = member.outcome
        if outcome is None:
            outcome = self._leave(kind, member)
        if isinstance(outcome, CallError):
            raise outcome
        if outcome is _Turn.NEXT:
            return self._send_first(kind, member.ask, member.deadline)
        if isinstance(outcome, _Turn):
            answer = self._alone(member.ask, member.deadline)
            self._note_answer(member)
            return answer
        return outcome

    def _leave(self, kind: Kind, member: _Member) -> CallError:
        """Have a member wait no more; what it was told meanwhile is passed on or dropped."""
        with self._lock:
            told, member.outcome = member.outcome, _too_late()
            lane = self._lanes.get(kind)
            if lane is not None and member in lane:
                lane.remove(member)
            joint = member.joint
            if joint is not None and told is None:
                joint.waiting -= 1
            cancel = joint.cancel if joint is not None and joint.waiting == 0 else None
        if cancel is not None:
            cancel()
        if told is _Turn.NEXT:
            self._send_next(kind)
        return _too_late()

    def _note_answer(self, member: _Member) -> None:
        joint = member.joint
        if joint is None or not joint.refused:
            return
        with self._lock:
            joint.answered_alone += 1
            if joint.answered_alone == len(joint.members):  # it was invalid for being joint
                self._by_row[member.ask.subject] = False

    def _send_next(self, kind: Kind) -> None:
        """Send what waits in a lane whose request has ended."""
        with self._lock:
            members = self._take(kind)
            if not members:
                del self._lanes[kind]
                return
            if len(members) == 1:
                members[0].outcome = _Turn.NEXT
                members[0].event.set()
                return
            joint = _Joint(members, waiting=len(members))
            for member in members:
                member.joint = joint
        self._send_jointly(kind, joint)

    def _take(self, kind: Kind) -> list[_Member]:
        lane, members, rows = self._lanes[kind], [], 0
        while lane and rows + lane[0].ask.rows <= self.max_rows:
            members.append(lane.popleft())
            rows += members[-1].ask.rows
        return members

    def _send_jointly(self, kind: Kind, joint: _Joint) -> None:
        asks = [member.ask for member in joint.members]
        latest = max(member.deadline for member in joint.members)

        def done(result: Answer | CallError) -> None:
            try:
                self._settle(joint, result)
            finally:
                self._send_next(kind)

        try:
            inputs = {name: np.concatenate([ask.inputs[name] for ask in asks]) for name in asks[0].inputs}
            timeout = max(latest - self.now(), _LEAST_SECONDS)
            cancel = self.sender.start(replace(asks[0], inputs=inputs), timeout, done)
        except Exception as error:  # noqa: BLE001 - whatever one of them cannot send, it meets again alone
            done(CallError("INTERNAL", f"the joint request could not be sent: {error}"))
            return
        with self._lock:
            joint.cancel = cancel
            nobody = joint.waiting == 0
        if nobody:
            cancel()

    def _settle(self, joint: _Joint, result: Answer | CallError) -> None:
        """Tell every member of a request its part of the result."""
        sizes = [member.ask.rows for member in joint.members]
        outcomes: Sequence[Answer | CallError | _Turn] = [_Turn.ALONE] * len(sizes)
        if isinstance(result, CallError):
            if result.code in EVERYBODYS:
                outcomes = [CallError(result.code, result.details) for _ in sizes]
        elif all(array.ndim and len(array) == sum(sizes) for array in result.values()):
            ends = np.cumsum(sizes).tolist()
            outcomes = [
                {name: array[end - size : end] for name, array in result.items()}
                for size, end in zip(sizes, ends, strict=True)
            ]
        with self._lock:
            if not isinstance(result, CallError) and outcomes[0] is _Turn.ALONE:
                self._by_row[joint.members[0].ask.subject] = False
            joint.refused = isinstance(result, CallError) and result.code == "INVALID_ARGUMENT"
            for member, outcome in zip(joint.members, outcomes, strict=True):
                if member.outcome is None:
                    member.outcome = outcome
                    member.event.set()


def _too_late() -> CallError:
    return CallError("DEADLINE_EXCEEDED", "no answer in time; the request waited for another one of its kind")
