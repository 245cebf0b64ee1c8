"""Whose turn it is: urgent levels first, within a level the lane that had the least compute time.

Within a level this is start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996), with seconds of compute as the
length of a packet. A flow's next batch carries a start tag; the least one is next; the virtual time of the level is the
start tag of what was taken last, and a flow that wakes up starts there, so that idling earns nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from serving.lanes import Lane
from serving.priority import LEVELS

SHARE = 1 / 20
"""Of the compute time of more urgent levels, what a level that waits is owed."""


class Level:
    """The lanes that have jobs of one urgency."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.lanes: dict[Lane, None] = {}
        self._now = 0.0
        """The virtual time."""
        self.credit = 0.0
        """Seconds of compute that it is owed by more urgent levels."""
        self.waits_since = 0.0
        """When it had no job last."""

    def enter(self, lane: Lane, now: float) -> None:
        """Take in a lane, whose first job of this level has come."""
        if not self.lanes:
            self.waits_since = now
        flow = lane.flows[self.index]
        flow.tag = max(flow.tag, self._now)
        self.lanes[lane] = None

    def leave(self, lane: Lane) -> None:
        """Let a lane go that has no more job of this level."""
        del self.lanes[lane]
        if not self.lanes:
            self.credit = min(self.credit, 0.0)  # what was not waited for is not owed

    def next(self, ready: Callable[[Lane], bool]) -> Lane | None:
        """Return the lane whose turn it is, of those that are ready."""
        return min((lane for lane in self.lanes if ready(lane)), key=self._tag, default=None)

    def _tag(self, lane: Lane) -> float:
        return lane.flows[self.index].tag

    def start(self, lane: Lane, seconds: float) -> None:
        """Charge a lane for a batch before it is computed."""
        flow = lane.flows[self.index]
        self._now = max(self._now, flow.tag)
        flow.tag += seconds


@dataclass(frozen=True)
class Turn:
    """What was decided."""

    lane: Lane
    level: int
    """From 0, the most urgent."""
    estimate: float
    """Seconds that its lane was charged for the batch."""
    owed: bool
    """Whether it goes before something more urgent."""


class Levels:
    """All levels of one queue."""

    def __init__(self) -> None:
        self._levels = [Level(index) for index in range(LEVELS)]

    def enter(self, lane: Lane, level: int, now: float) -> None:
        """See Level."""
        self._levels[level].enter(lane, now)

    def leave(self, lane: Lane, level: int) -> None:
        """See Level."""
        self._levels[level].leave(lane)

    def choose(self, ready: Callable[[Lane], bool], estimate: Callable[[Lane], float]) -> Turn | None:
        """Decide whose turn it is, and charge for it.

        Args:
            ready: whether a lane has a batch that may start.
            estimate: the seconds that a lane's next batch will take.
        """
        first: tuple[Level, Lane] | None = None
        for level in self._levels:
            lane = level.next(ready) if level.lanes else None
            if lane is None:
                continue
            if first is None:
                first = (level, lane)
            elif level.credit > 0 and level.credit >= estimate(lane):
                return self._start(level, lane, estimate(lane), owed=True)
        return None if first is None else self._start(*first, estimate(first[1]), owed=False)

    def _start(self, level: Level, lane: Lane, seconds: float, *, owed: bool) -> Turn:
        level.start(lane, seconds)
        if owed:
            level.credit -= seconds
        return Turn(lane, level.index, seconds, owed)

    def finish(self, turn: Turn, seconds: float, now: float) -> None:
        """Correct what was charged by what it took, until now."""
        turn.lane.flows[turn.level].tag += seconds - turn.estimate
        if turn.owed:
            self._levels[turn.level].credit -= seconds - turn.estimate
        for level in self._levels[turn.level + 1 :]:
            if level.lanes:
                level.credit += SHARE * min(seconds, now - level.waits_since)
