"""Work that others hardly notice: what loads a model yields to what answers requests."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

NICE = 10
"""Of the thread that loads: the operating system gives it what the others leave."""
_SWITCH_SECONDS = 2e-4
"""How long a thread may keep the interpreter where another wants it; Python's own 5 ms are an answer's whole time."""

T = TypeVar("T")
_Part = tuple[Callable[[], Any], Future[Any]]


def gently(work: Callable[[], T]) -> T:
    """Do work in a thread of its own, at a low priority, and wait for it. Raises what `work` does.

    A thread of its own, since only with privileges could its priority be raised again. While any such work is done, threads
    of this process take turns more often.
    """
    return aside(work, _lower_priority)


def aside(
    work: Callable[[], T],
    prepare: Callable[[], None],
    *,
    watch: Callable[[int], None] | None = None,
    every: float | None = None,
) -> T:
    """Do work in a thread of its own, and wait for it, doing its parts that are done `plainly`. Raises what `work` does.

    Args:
        work: what is done.
        prepare: what the thread does first, to itself.
        watch: called with the thread's number in the operating system while it works; what it raises ends the waiting, not
            the work.
        every: so many seconds.
    """
    parts: SimpleQueue[_Part | None] = SimpleQueue()
    done: Future[T] = Future()
    started: Future[int] = Future()

    def run() -> None:
        started.set_result(threading.get_native_id())
        _WAITING.parts = parts
        prepare()
        with _TURNS.short():
            _settle(done, work)
        parts.put(None)

    threading.Thread(target=run, name="zoo-gently", daemon=True).start()
    number = started.result()
    while True:
        try:
            part = parts.get(timeout=every)
        except Empty:
            if watch is not None:
                watch(number)
            continue
        if part is None:
            return done.result()
        _settle(part[1], part[0])


def plainly(work: Callable[[], T]) -> T:
    """Do a part of gentle work in the thread that waits for it, which has the usual priority; anything else right here.

    For what starts threads that compute later: they keep the priority of who starts them. Raises what `work` does.
    """
    parts = getattr(_WAITING, "parts", None)
    if parts is None:
        return work()
    done: Future[T] = Future()
    parts.put((work, done))
    return done.result()


def short_turns() -> contextlib.AbstractContextManager[None]:
    """Have threads take turns more often within the block: it computes in Python what others should not wait for."""
    return _TURNS.short()


def _lower_priority() -> None:
    with contextlib.suppress(OSError, AttributeError):  # not every system has priorities of threads
        this = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, this, max(NICE, os.getpriority(os.PRIO_PROCESS, this)))


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again by who waits
        future.set_exception(error)


class _Waiting(threading.local):
    """State: of a thread that works gently, what the one that waits for it takes parts from."""

    parts: "SimpleQueue[_Part | None]"


_WAITING = _Waiting()


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
