"""A load that takes what nobody else wants: of one core, and only while that has nothing else to do."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from serving.gentle import aside

STARVED = 75
"""How a process ends that StarvedError was raised in: nothing else can be done there, not even an import."""
_TASK = "/proc/self/task/{}/schedstat"
_LAST_NICE = 19
_LOOK_SECONDS = 5.0
_MOST_WAITING = 0.8
"""The share of the time in which work that is ready may have no processor, before others are not to be yielded to."""

T = TypeVar("T")


class StarvedError(Exception):
    """The processor is never there for work that takes only what is left."""


def leisurely(work: Callable[[], T]) -> T:
    """Do work in a thread of its own, which any other thread of the machine goes before, on one core, and wait for it.

    At a low priority alone, one that begins still moves those that answer requests from core to core, and they wait for
    each other: milliseconds, where an answer takes half of one.

    Raises:
        StarvedError: for seconds, others left it next to nothing; it goes on all the same, as nothing else can be done.
        BaseException: what `work` raises.
    """
    return aside(work, _rest, watch=_Watch(), every=_LOOK_SECONDS)


def keep_to_one_core() -> None:
    """Have this thread, and what it starts, run on one core."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def go_quietly() -> None:
    """Have this thread, which is about to end the process, give its memory back without haste: others wait for that too."""
    keep_to_one_core()
    with contextlib.suppress(OSError, AttributeError):  # not every system has it
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LAST_NICE)


def cores_of_this_thread() -> tuple[int, ...]:
    """Return the cores that it may run on; none where the system does not say."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def _rest() -> None:
    keep_to_one_core()
    with contextlib.suppress(OSError, AttributeError):  # not every system has it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class _Watch:
    """Looks whether a thread gets the processor. State: when it looked last, and how long the thread had waited by then."""

    def __init__(self) -> None:
        self._seen = time.monotonic()
        self._waited = 0.0

    def __call__(self, thread: int) -> None:
        now, waited = time.monotonic(), seconds_waited(thread)
        if waited - self._waited > _MOST_WAITING * (now - self._seen):
            raise StarvedError(f"others left it no processor for {waited - self._waited:.0f} s")
        self._seen, self._waited = now, waited


def seconds_waited(thread: int) -> float:
    """Return how long a thread of this process was ready to run, and did not."""
    try:
        return int(Path(_TASK.format(thread)).read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
