"""Whether a process that is silent computes, or hangs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

LOOK_SECONDS = 5.0
"""Of silence before somebody looks, and between looks."""
MOST_MISSED = 6
"""Looks in a row that find a process at rest, and without an answer, before it is said to hang."""
_AT_REST = frozenset("ST")
"""Sleeping, stopped. One that runs, or waits for a processor (R), a disk or memory (D), or a debugger (t), is busy."""


class Heartbeat:
    """Asks a process that it is still there. Any thread may use it; who waits for the process looks, nobody else does.

    Looks are counted rather than seconds: where the machine sleeps, or this process is stopped too, none go by.

    State: whether the process answered, and how often it did not, behind a lock.
    """

    def __init__(
        self, ask: Callable[[], None], rests: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin.

        Args:
            ask: has the process answer, which has `hear` called; never waits.
            rests: tells whether it does nothing, and has said nothing that is still to be heard.
            clock: tells seconds.
        """
        self._ask = ask
        self._rests = rests
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = -LOOK_SECONDS
        self._has_answered = True
        self._missed = 0

    def hear(self) -> None:
        """Note that the process said something."""
        with self._lock:
            self._has_answered = True

    def finds_hung(self) -> bool:
        """Look after a process that is silent, and tell whether it hangs; more often than it is looked, nothing is done."""
        with self._lock:
            now = self._clock()
            if now - self._looked < LOOK_SECONDS:
                return False
            self._looked = now
            if self._has_answered:
                self._has_answered, self._missed = False, 0
                self._ask()
            else:
                self._missed = self._missed + 1 if self._rests() else 0
            return self._missed >= MOST_MISSED


def is_at_rest(process: int) -> bool:
    """Tell whether no thread of a process does anything; where the system does not tell, it counts as if none did."""
    for task in Path(f"/proc/{process}/task").glob("*/stat"):
        try:
            state = task.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        except (OSError, IndexError):  # a thread that has ended
            continue
        if state not in _AT_REST:
            return False
    return True
