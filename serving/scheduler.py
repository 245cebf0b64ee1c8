"""Which request is computed next, with which others, and in which thread; nothing is computed that nobody waits for.

What waits, and whose turn it is, is the business of `serving.job_queue`; here are the threads.
"""

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from time import monotonic
from typing import Self

import numpy as np

from serving.batch import Batch, Outcome, overdue
from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.bounds import Bounds
from serving.config import ServerConfig
from serving.cores import affordable_cores, available_cores
from serving.job import Arrays, Job, Run, Ticket
from serving.job_queue import JobQueue, Short
from serving.lanes import Derived
from serving.latency_target import LatencyTarget
from serving.status import Code, StatusError

__all__ = ["Arrays", "Job", "Run", "Scheduler"]

logger = logging.getLogger(__name__)


class Scheduler:
    """Runs jobs in threads, which it starts when they are needed. Any thread may use it.

    State: the queue and the counts, behind one lock, which nobody holds while computing or telling an answer.
    """

    def __init__(
        self,
        *,
        threads: int,
        max_pending: int,
        max_pending_per_model: int | None = None,
        rules: BatchingRules | None = None,
        latency: LatencyTarget | None = None,
    ) -> None:
        """Prepare; no thread runs before there is a job.

        Args:
            threads: how many batches are computed at once.
            max_pending: how many jobs may wait or be computed.
            max_pending_per_model: how many of them for one model; three quarters where not given.
            rules: what a batch is.
            latency: within which jobs are to be computed; others are refused.
        """
        bounds = Bounds(
            max_pending=max_pending,
            max_pending_per_model=max_pending_per_model or max(1, -(-3 * max_pending // 4)),
            threads=threads,
            width=max(1, min(threads, available_cores() // 2)),
            cores=min(threads, affordable_cores()),
            latency=latency,
        )
        self._queue = JobQueue(bounds, rules or BatchingRules())
        self._threads = threads
        lock = threading.Lock()
        self._lock = lock
        self._calls: SimpleQueue[None] = SimpleQueue()
        """An item for every worker that is to look for work: half the price of a Condition."""
        self._alarm = threading.Condition(lock)
        """For the timekeeper: something is due earlier than it knew."""
        self._ended = threading.Condition(lock)
        """For `drain`: nothing is left."""
        self._drains = 0
        """Threads that wait for that."""
        self._workers = 0
        self._idle = 0
        self._telling = 0
        """Threads that have taken jobs out of the queue and are yet to tell how they ended."""
        self._alarm_at: float | None = None
        self._keeps_time = False
        self._closed = False

    @classmethod
    def of(cls, config: ServerConfig) -> Self:
        """Return the scheduler that a config describes."""
        parameters = config.batching_parameters if config.enable_batching else None
        threads = None if parameters is None else parameters.num_batch_threads
        target, rules = config.latency_target(), config.batching_rules()
        if target is not None and config.enable_batching:
            each = config.enable_per_model_batching_parameters
            logger.warning("%s", target.beside(None if each else config.batching_parameters or BatchingParameters()))
        return cls(
            threads=threads or config.threads,
            max_pending=config.max_pending,
            max_pending_per_model=config.max_pending_per_model,
            rules=rules,
            latency=target,
        )

    def submit(self, job: Job) -> Future[dict[str, np.ndarray]]:
        """Queue a job.

        A future that is cancelled before its turn is never computed; one that runs is left to finish. Where the job's
        deadline passes before its turn, the future ends then, with DEADLINE_EXCEEDED.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, as many jobs as may are waiting; UNAVAILABLE, the scheduler is closed; or as
                the batching parameters have it, see JobQueue.add.
        """
        ticket = self.promise(job)
        refused = self.submit_all([ticket])
        if refused:
            raise refused[0][1]
        return ticket

    def compute_at_once(self, job: Job, *, seconds: float | None) -> dict[str, np.ndarray] | None:
        """Compute a job in the calling thread, if nothing waits and jobs like it were seen to take no more than this.

        Going to another thread and back takes longer than a small model does.

        Args:
            job: it.
            seconds: that it may take; None where `most_joined` told that it is so short.

        Returns:
            None where the job has to be submitted.

        Raises:
            StatusError: DEADLINE_EXCEEDED; or what the job raises, as anything else that it does.
        """
        with self._lock:
            if self._closed or not self._queue.may_go_first(job, seconds=seconds):
                return None
            self._telling += 1
        started = monotonic()
        record, outputs = job.record, None
        try:
            if job.deadline is not None and started >= job.deadline:
                raise overdue()
            record.batch_rows = job.rows
            outputs = job.run(job.inputs)
        finally:
            took = monotonic() - started
            record.seconds["queue"], record.seconds["compute"] = 0.0, took
            with self._lock:
                self._telling -= 1
                if outputs is not None:  # what was refused says nothing of what others take
                    self._queue.went_first(job, took)
                self._tell_drain()
        return outputs

    def most_joined(self, job: Job, jobs: int, *, seconds: float) -> int:
        """Return how many of so many jobs like this one may be made one for `compute_at_once`; see JobQueue."""
        with self._lock:
            return self._queue.most_joined(job, jobs, seconds=seconds)

    def refuse(self, job: Job) -> None:
        """Refuse a job for what is pending, where it would be; that costs less than to submit it.

        Raises:
            StatusError: RESOURCE_EXHAUSTED.
        """
        with self._lock:
            self._queue.refuse(job, monotonic())

    def fills_a_turn(self, job: Job, rows: int) -> bool:
        """Tell whether so many rows of jobs like this one, yet to be submitted, need no further company; see JobQueue."""
        with self._lock:
            return self._queue.fills_a_turn(job, rows)

    def promise(self, job: Job) -> Ticket:
        """Return the future of a job that is yet to be submitted."""
        return Ticket(job, monotonic(), self._forget)

    def submit_all(self, tickets: Sequence[Ticket], short: Short | None = None) -> list[tuple[Ticket, StatusError]]:
        """Queue jobs that arrived together, so that they may be computed together. Returns those that were refused.

        Those that are short are computed by this thread, before it returns.
        """
        now = monotonic()
        refused = []
        with self._lock:
            for ticket in tickets:
                try:
                    self._add(ticket, now)
                except StatusError as error:
                    refused.append((ticket, error))
            here, called = False, set[Hashable]()
            for ticket in tickets:
                if ticket.joinable and ticket.job.lane in called:
                    continue
                is_short = short is not None and self._queue.is_short(ticket, short, now)
                if not is_short and not self._queue.may_start(ticket, now):
                    continue
                called.add(ticket.job.lane)
                if is_short:
                    here = True
                else:
                    self._call_worker()
            self._set_alarm(now)
        if short is not None and here:
            self._compute_here(short)
        return refused

    def _compute_here(self, short: Short) -> None:
        """Compute a batch that is short in the calling thread; what then still waits is for others."""
        with self._lock:
            batch = None if self._closed else self._queue.take(monotonic(), short)
            if batch is None:
                return
            self._telling += 1
        outcomes = _outcomes(batch)
        with self._lock:
            now = monotonic()
            self._queue.finish(batch, now)
            if self._queue.may_start_any(now):
                self._call_worker()
        _tell(outcomes)
        with self._lock:
            self._telling -= 1
            self._tell_drain()

    def _add(self, ticket: Ticket, now: float) -> None:
        if self._closed:
            raise StatusError(Code.UNAVAILABLE, "the server is shutting down: ask another, or again later")
        self._queue.add(ticket, now)

    def derived(self) -> Mapping[Hashable, Derived]:
        """Return what follows for each lane from the times that were measured."""
        with self._lock:
            return self._queue.derived()

    def drain(self, timeout: float) -> bool:
        """Wait for the jobs there are. Returns whether all of them ended in time."""
        with self._lock:
            self._drains += 1
            try:
                return self._ended.wait_for(self._is_done, timeout)
            finally:
                self._drains -= 1

    def close(self) -> None:
        """Drop what waits; what runs is left to itself."""
        with self._lock:
            self._closed = True
            waiting = self._queue.clear()
            while self._idle:
                self._call_worker()
            self._alarm.notify_all()
            self._ended.notify_all()
        for ticket in waiting:
            ticket.cancel()

    def _forget(self, ticket: Ticket) -> None:
        with self._lock:
            if self._queue.discard(ticket):
                self._tell_drain()

    def _call_worker(self) -> None:
        if self._idle:
            self._idle -= 1  # here and not where it wakes up, or it would be called twice
            self._calls.put(None)
        elif self._workers < self._threads:
            self._workers += 1
            _start(f"zoo-compute-{self._workers}", self._compute)

    def _share(self, batch: Batch, now: float) -> None:
        """Have another thread compute what a batch that was taken leaves of its lane, where it may."""
        if self._queue.has_more(batch, now):
            self._call_worker()

    def _set_alarm(self, now: float) -> None:
        """Have the timekeeper wake up when something is due, where it would sleep longer."""
        due = self._queue.changes_at(now)
        if due is None or (self._alarm_at is not None and self._alarm_at <= due):
            return
        if not self._keeps_time:
            self._keeps_time = True
            _start("zoo-deadlines", self._keep_time)
        self._alarm_at = due
        self._alarm.notify()

    def _compute(self) -> None:
        """Compute batches until the end: what a worker does."""
        batch = self._await_batch(told=False)
        while batch is not None:
            outcomes = _outcomes(batch)
            with self._lock:
                now = monotonic()
                self._queue.finish(batch, now)
                batch = None if self._closed else self._queue.take(now)
                if batch is not None:
                    self._share(batch, now)
            _tell(outcomes)
            del outcomes  # or the last request would stay in memory while this thread idles
            if batch is None:
                batch = self._await_batch(told=True)

    def _await_batch(self, *, told: bool) -> Batch | None:
        """Return the next batch; None at the end."""
        while True:
            with self._lock:
                self._telling -= told
                told = False
                now = monotonic()
                batch = None if self._closed else self._queue.take(now)
                if batch is not None:
                    self._telling += 1
                    self._share(batch, now)
                    return batch
                self._tell_drain()
                if self._closed:
                    return None
                self._set_alarm(now)  # what was full when it came may have to be waited for since others were cancelled
                self._idle += 1
            self._calls.get()

    def _keep_time(self) -> None:
        """End the jobs whose deadline has passed, and start batches that need not wait longer: what the timekeeper does."""
        while True:
            with self._lock:
                passed: list[Ticket] = []
                while not (passed or self._closed):
                    now = monotonic()
                    # Marked as running, so that nobody can cancel them before they are told.
                    passed = [each for each in self._queue.pop_overdue(now) if each.set_running_or_notify_cancel()]
                    self._tell_drain()
                    for _ in range(self._queue.ripe(now)):
                        self._call_worker()
                    self._alarm_at = self._queue.changes_at(now)
                    if not passed:
                        self._alarm.wait(None if self._alarm_at is None else max(0.0, self._alarm_at - now))
                if self._closed and not passed:
                    return
                self._telling += 1
            _tell([(ticket, overdue()) for ticket in passed])
            with self._lock:
                self._telling -= 1
                self._tell_drain()

    def _is_done(self) -> bool:
        return not self._queue.pending and not self._telling

    def _tell_drain(self) -> None:
        if self._drains and self._is_done():
            self._ended.notify_all()


def _start(name: str, target: Callable[[], None]) -> None:
    # Daemons: a computation that hangs must not keep the process from ending.
    threading.Thread(target=target, name=name, daemon=True).start()


def _outcomes(batch: Batch) -> list[Outcome]:
    try:
        return batch.compute(monotonic)
    except BaseException as error:
        logger.exception("a batch could not be computed")
        return [(ticket, error) for ticket in batch.tickets]


def _tell(outcomes: Iterable[Outcome]) -> None:
    for ticket, outcome in outcomes:
        if isinstance(outcome, BaseException):
            ticket.set_exception(outcome)
        else:
            ticket.set_result(outcome)
