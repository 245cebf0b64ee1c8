"""Work that others hardly notice: what loads a model yields to what answers requests."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

NICE = 10
"""Of the thread that loads: the operating system gives it what the others leave."""
_SWITCH_SECONDS = 2e-4
"""How long a thread may keep the interpreter where another wants it; Python's own 5 ms are an answer's whole time."""

T = TypeVar("T")


def gently(work: Callable[[], T]) -> T:
    """Do work in a thread of its own, at a low priority, and wait for it. Raises what `work` does.

    A thread of its own, since only with privileges could its priority be raised again. While any such work is done, threads
    of this process take turns more often.
    """
    result: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        with contextlib.suppress(OSError, AttributeError):  # not every system has priorities of threads
            this = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, this, max(NICE, os.getpriority(os.PRIO_PROCESS, this)))
        try:
            with _TURNS.short():
                result.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            errors.append(error)

    thread = threading.Thread(target=run, name="zoo-gently", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]


class _Turns:
    """How often the interpreter's threads take turns. State: how many want it often, behind a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._usual = 0.0

    @contextlib.contextmanager
    def short(self) -> Iterator[None]:
        """Have turns be short within the block, in all threads."""
        with self._lock:
            if not self._wanted:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(self._usual, _SWITCH_SECONDS))
            self._wanted += 1
        try:
            yield
        finally:
            with self._lock:
                self._wanted -= 1
                if not self._wanted:
                    sys.setswitchinterval(self._usual)


_TURNS = _Turns()


def short_turns() -> contextlib.AbstractContextManager[None]:
    """Have threads take turns more often within the block: it computes in Python what others should not wait for."""
    return _TURNS.short()
