"""Which request is computed next, and in which thread: a bounded queue, and nothing computed that nobody waits for."""

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic, perf_counter

import numpy as np

from serving.call_record import CallRecord
from serving.status import Code, StatusError

Arrays = Mapping[str, np.ndarray]
Run = Callable[[Arrays], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Job:
    """Rows to be computed."""

    lane: Hashable
    """Jobs of one lane go through the same callable."""
    run: Run
    inputs: Arrays
    record: CallRecord
    """Told how long the job waited and was computed."""
    deadline: float | None = None
    """In seconds of `time.monotonic`: when nobody waits for the answer any more."""


class Scheduler:
    """Runs jobs in threads. Any thread may use it."""

    def __init__(self, *, threads: int, max_pending: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="zoo-compute")
        self._max_pending = max_pending
        self._pending = 0
        self._lock = threading.Condition()

    def submit(self, job: Job) -> Future[dict[str, np.ndarray]]:
        """Queue a job.

        A future that is cancelled before its turn is never computed; one that runs is left to finish.

        Raises:
            StatusError: RESOURCE_EXHAUSTED; as many jobs as may are waiting.
        """
        with self._lock:
            if self._pending >= self._max_pending:
                raise StatusError(
                    Code.RESOURCE_EXHAUSTED, f"{self._pending} requests are waiting already: try again later"
                )
            self._pending += 1
        queued = perf_counter()

        def run() -> dict[str, np.ndarray]:
            started = perf_counter()
            job.record.seconds["queue"] = started - queued
            if job.deadline is not None and monotonic() >= job.deadline:
                raise StatusError(Code.DEADLINE_EXCEEDED, "the deadline passed before the request's turn came")
            try:
                return job.run(job.inputs)
            finally:
                job.record.seconds["compute"] = perf_counter() - started

        future = self._pool.submit(run)
        future.add_done_callback(self._count_down)
        return future

    def _count_down(self, future: Future[dict[str, np.ndarray]]) -> None:  # noqa: ARG002 - the shape of a callback
        with self._lock:
            self._pending -= 1
            self._lock.notify_all()

    def drain(self, timeout: float) -> bool:
        """Wait for the jobs there are. Returns whether all of them ended in time."""
        with self._lock:
            return self._lock.wait_for(lambda: self._pending == 0, timeout)

    def close(self) -> None:
        """Drop what waits; what runs is left to itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
