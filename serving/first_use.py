"""Has versions loaded that requests ask for: one load for all that wait for the same, and none where nobody waits."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from serving.lease import Lease
from serving.model_ref import ModelRef
from serving.status import Code, StatusError

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


@dataclass
class _Need:
    """What was asked for, since when, and by whom."""

    since: float = field(default_factory=monotonic)
    waiters: dict[Future[Lease], None] = field(default_factory=dict)
    """Those that still wait, in the order in which they came."""


class FirstUse:
    """Loads in threads of its own, which it starts when they are needed. Any thread may use it.

    State: who waits for what, behind a lock that nobody holds while loading.
    """

    def __init__(self, awaken: Callable[[ModelRef, float], Lease], *, threads: int, most_waiting: int) -> None:
        """Prepare.

        Args:
            awaken: loads what a request is for, if need be, and leases it; is told when it was asked for, in seconds of
                `time.monotonic`, and raises StatusError.
            threads: how many loads there may be at once.
            most_waiting: how many requests may wait.
        """
        self._awaken = awaken
        self._threads = max(1, threads)
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._needs: dict[ModelRef, _Need] = {}
        self._queue: deque[ModelRef] = deque()
        self._count = 0
        self._workers = 0
        self._closed = False

    def lease(self, model: ModelRef) -> "Future[Lease]":
        """Return a lease to come; whoever takes it closes it. Cancelled before its load begins, it causes none.

        A load that has begun goes on, though nobody may wait for it any more.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, as many requests as may are waiting; UNAVAILABLE, nothing is loaded any more.
        """
        waiter: Future[Lease] = Future()
        with self._lock:
            if self._closed:
                raise _shutting_down()
            if self._count >= self._most_waiting:
                raise StatusError(
                    Code.RESOURCE_EXHAUSTED,
                    f"{self._count} requests, as many as may (--max_pending), wait for models to be loaded; ask again later",
                    retry_after=_RETRY_SECONDS,
                )
            self._count += 1
            need = self._needs.get(model)
            if need is None:
                need = self._needs[model] = _Need()
                self._queue.append(model)
                self._call_worker()
            need.waiters[waiter] = None
        waiter.add_done_callback(partial(self._leave, need))
        return waiter

    def close(self) -> None:
        """Begin no more loads, and tell whoever waits so."""
        with self._lock:
            self._closed = True
            waiters = [waiter for need in self._needs.values() for waiter in need.waiters]
            self._needs.clear()
            self._queue.clear()
        _refuse([waiter for waiter in waiters if waiter.set_running_or_notify_cancel()], _shutting_down())

    def _leave(self, need: _Need, waiter: "Future[Lease]") -> None:
        with self._lock:
            self._count -= 1
            del need.waiters[waiter]

    def _call_worker(self) -> None:
        if self._workers < self._threads:
            self._workers += 1
            # Daemons: a load that hangs must not keep the process from ending.
            threading.Thread(target=self._work, name=f"zoo-first-use-{self._workers}", daemon=True).start()

    def _work(self) -> None:
        while (following := self._next()) is not None:
            self._serve(*following)

    def _next(self) -> tuple[ModelRef, _Need] | None:
        """Return what is to be loaded next; None where there is nothing, and the worker ends."""
        with self._lock:
            while self._queue:
                model = self._queue.popleft()
                need = self._needs[model]
                if need.waiters:
                    return model, need
                del self._needs[model]
            self._workers -= 1
            return None

    def _serve(self, model: ModelRef, need: _Need) -> None:
        lease: Lease | None = None
        error = StatusError(Code.INTERNAL, "internal error; the server's log tells more")
        try:
            lease = self._awaken(model, need.since)
        except StatusError as refusal:
            error = refusal
        except Exception:
            logger.exception("%s could not be loaded for who asked for it", model)
        with self._lock:  # from here on, who asks has a need of their own
            waiters = [] if self._needs.pop(model, None) is None else list(need.waiters)
        waiting = [waiter for waiter in waiters if waiter.set_running_or_notify_cancel()]
        if lease is None:
            _refuse(waiting, error)
            return
        shares = [lease.share() for _ in waiting]
        lease.close()  # before anybody is told, so that nobody finds it in use who knows that it is not
        for waiter, share in zip(waiting, shares, strict=True):
            waiter.set_result(share)


def _refuse(waiters: list[Future[Lease]], error: StatusError) -> None:
    for waiter in waiters:  # an error each: what raises one writes into it
        waiter.set_exception(StatusError(error.code, error.message, field=error.field, retry_after=error.retry_after))


def _shutting_down() -> StatusError:
    return StatusError(Code.UNAVAILABLE, "the server is shutting down: ask another, or again later")
