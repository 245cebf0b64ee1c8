"""Waits for sockets as an event loop does, but awake while the next event is sure to come in no time.

To put a core to sleep and to wake it takes longer than a small model does, and what runs after it finds its caches cold: a
client with one call in flight gets a third more of them answered by a loop that stays awake. It pays where events follow
each other within a fraction of a millisecond, which is seen from those before; in any other traffic the loop sleeps.
"""

import asyncio
import select
import selectors
from collections.abc import Callable
from time import perf_counter

from serving.cores import affordable_cores

Events = list[tuple[selectors.SelectorKey, int]]

_WORTH = 2 / 3
"""Of the most that it stays awake: up to this average gap between what is done and the next event, it does."""
_LONGEST = 3
"""Times the same: what a gap counts at most, so that a pause is forgotten after a few events."""
_WEIGHT = 0.2
"""Of the newest gap."""


class BusyPollingSelector(selectors.DefaultSelector):
    """See `selectors.BaseSelector`. For one event loop."""

    def __init__(self, most_seconds: float, clock: Callable[[], float] = perf_counter) -> None:
        """Prepare.

        Args:
            most_seconds: how long to stay awake without an event.
            clock: counts seconds.
        """
        super().__init__()
        self._most_seconds = most_seconds
        self._clock = clock
        self._gap = _LONGEST * most_seconds
        self._self = select.poll()
        self._self.register(self.fileno(), select.POLLIN)

    @property
    def is_wakeful(self) -> bool:
        """Whether events come so fast that it stays awake for the next."""
        return self._gap <= _WORTH * self._most_seconds

    def has_events(self) -> bool:
        """Tell whether `select` would find something now; that takes half of what `select` does."""
        return bool(self._self.poll(0))

    def select(self, timeout: float | None = None) -> Events:
        """See `selectors.BaseSelector`."""
        if timeout is not None and timeout <= 0:  # the loop has something to do
            return super().select(timeout)
        begun = self._clock()
        events = self._watch(begun, timeout) if self.is_wakeful else []
        if not events:
            if timeout is not None:
                timeout = max(0.0, timeout - (self._clock() - begun))
            events = super().select(timeout)
        gap = min(_LONGEST * self._most_seconds, self._clock() - begun)
        if events or gap > self._gap:  # the loop's own timers, however fast, promise no event
            self._gap += _WEIGHT * (gap - self._gap)
        return events

    def _watch(self, begun: float, timeout: float | None) -> Events:
        """Look for events without pause."""
        until = begun + (self._most_seconds if timeout is None else min(self._most_seconds, timeout))
        has_events, clock = self.has_events, self._clock
        while not has_events():
            if clock() >= until:
                return []
        return super().select(0)


def new_event_loop(most_seconds: float) -> asyncio.AbstractEventLoop:
    """Return a loop that stays awake for so long at most; not where there is but one core, which who is waited for needs."""
    if not most_seconds or affordable_cores() < 2 or not hasattr(selectors.DefaultSelector, "fileno"):  # as on Windows
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(BusyPollingSelector(most_seconds))
