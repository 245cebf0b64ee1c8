"""Has versions loaded that requests ask for: one load for all that wait for the same, and none where nobody waits."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
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
    waiters: list[Future[Lease]] = field(default_factory=list)


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
            if model not in self._needs:
                self._needs[model] = _Need()
                self._queue.append(model)
                self._call_worker()
            self._needs[model].waiters.append(waiter)
        waiter.add_done_callback(self._count_one_less)
        return waiter

    def close(self) -> None:
        """Begin no more loads, and tell whoever waits so."""
        with self._lock:
            self._closed = True
            waiters = [waiter for need in self._needs.values() for waiter in need.waiters]
            self._needs.clear()
            self._queue.clear()
        for waiter in waiters:
            _tell(waiter, _shutting_down())

    def _count_one_less(self, waiter: "Future[Lease]") -> None:  # noqa: ARG002 - the shape of a callback
        with self._lock:
            self._count -= 1

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
                if not all(waiter.done() for waiter in need.waiters):
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
            told_already = self._needs.pop(model, None) is None
        for waiter in () if told_already else need.waiters:
            _tell(waiter, error if lease is None else lease)
        if lease is not None:
            lease.close()


def _tell(waiter: "Future[Lease]", outcome: Lease | StatusError) -> None:
    if not waiter.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Lease):
        waiter.set_result(outcome.share())
    else:  # an error each: what raises one writes into it
        waiter.set_exception(
            StatusError(outcome.code, outcome.message, field=outcome.field, retry_after=outcome.retry_after)
        )


def _shutting_down() -> StatusError:
    return StatusError(Code.UNAVAILABLE, "the server is shutting down: ask another, or again later")
