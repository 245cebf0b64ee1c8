"""Requests that have arrived together are submitted together, and the shortest are computed where they arrive.

An event loop hands over one request after the other, and a thread that starts on the first of them takes the processor
and the interpreter from the loop, which reads the next. So jobs are held until the loop has gone round some times without
bringing another, or they are as many as a batch is to have. No clock is waited for: a loop without other work goes round
at once. Where holding brings no company, as with a single client, it is only tried now and then.
"""

import asyncio
from collections.abc import Hashable
from concurrent.futures import Future
from time import monotonic

import numpy as np

from serving.job import Job, Ticket
from serving.job_queue import Short
from serving.next_batch import FOR_THREADS
from serving.scheduler import Scheduler

_ROUNDS = 8
"""Of the loop without a new job, then those that came are submitted."""
_LONGEST = 0.005
"""Seconds that a job is held at most, however busy the loop is."""
_WEIGHT = 0.1
_WORTH = 0.1
"""Further jobs per submission that make holding worth its while."""
_PROBE = 256
"""So many submissions at once, then holding is tried again: with what engines try out (`SoloEngine`), less than one of a
hundred, or it would be the 99th percentile."""
_PROBE_TOGETHER = 512
"""So many times several are computed at once, then they are submitted."""
_SHORT_TOGETHER = 300e-6
"""Seconds of compute that a loop has for all jobs that came together, each of which takes no more than FOR_THREADS of it:
past that it is better off reading others meanwhile."""
_SHORT_JOBS = Short(FOR_THREADS, _SHORT_TOGETHER)
_SHORT_ALONE = 1e-3
"""Seconds of compute that a loop has where holding brings no company, and all jobs are of one lane. A job of another thread
and its answer wake two cores that have gone to sleep, and find cold caches: that takes it 0.3 ms longer."""
_ALIKE = 32
"""So many jobs of one lane since the last of another, then nobody else is there who would have to wait."""


class Gathering:
    """Submits the jobs of one event loop. Lives in it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._held: list[Ticket] = []
        self._held_rows = 0
        self._holds = 0
        """How often jobs were held so far."""
        self._since = 0.0
        self._seen = 0
        """How many were held one round ago."""
        self._rounds = 0
        self._company = 0.0
        """Moving average of how many further jobs of a lane come while one is held."""
        self._at_once = 0
        self._lane: Hashable = None
        """Of the last job, or of several that came together, that might have been computed at once."""
        self._alike = 0
        """How many before it were of that lane."""
        self._together = 0
        self._coming = 0
        """Jobs that are about to be submitted, and held until all are there."""

    def at_once(self, job: Job) -> dict[str, np.ndarray] | None:
        """Return the answer to a job that is so short that the loop may wait for it; None where it has to be submitted.

        Raises what Scheduler.compute_at_once does.
        """
        if self._coming:
            self._coming -= 1
            return None
        self._see(job.lane)
        nobody_waits = not self._held and self._alike >= _ALIKE
        alone = nobody_waits and self._company < _WORTH and self._at_once < _PROBE
        outputs = self._scheduler.compute_at_once(job, seconds=_SHORT_ALONE if alone else FOR_THREADS)
        self._at_once += alone and outputs is not None
        return outputs

    def calls_at_once(self, job: Job, calls: int) -> int:
        """Return how many of so many jobs like this one make one for `together_at_once`; 0 where all have to be submitted.

        Now and then they have to, as it is there that the sizes of batches are tried out.
        """
        self._see(job.lane)
        self._together = (self._together + 1) % _PROBE_TOGETHER
        most = self._scheduler.most_joined(job, calls, seconds=_SHORT_TOGETHER) if self._together else 0
        self._coming += 0 if most else calls
        return most

    def together_at_once(self, job: Job) -> dict[str, np.ndarray] | None:
        """Do what `at_once` does for a job that is made of several calls' which came together."""
        return self._scheduler.compute_at_once(job, seconds=None)

    def submit(self, job: Job) -> Future[dict[str, np.ndarray]]:
        """Return the answer to a job, which is queued soon; the future tells if it was refused. See Scheduler.submit.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, it is known to be refused already.
        """
        self._scheduler.refuse(job)
        ticket = self._scheduler.promise(job)
        self._held.append(ticket)
        self._held_rows += job.rows
        is_first = len(self._held) == 1
        if is_first and not self._coming and self._company < _WORTH and self._at_once < _PROBE:
            self._at_once += 1
            self._release()
        elif not self._coming and self._scheduler.fills_a_turn(job, self._held_rows):
            self._end_hold()
        elif is_first:
            self._since, self._seen, self._rounds = ticket.queued, 1, 0
            asyncio.get_running_loop().call_soon(self._go_round, self._holds)
        return ticket

    def _see(self, lane: Hashable) -> None:
        self._alike += 1
        if lane != self._lane:
            self._lane, self._alike = lane, 0

    def _go_round(self, hold: int) -> None:
        if hold != self._holds:  # it has ended
            return
        self._rounds = self._rounds + 1 if len(self._held) == self._seen else 0
        self._seen = len(self._held)
        if self._rounds < _ROUNDS and monotonic() - self._since < _LONGEST:
            asyncio.get_running_loop().call_soon(self._go_round, hold)
            return
        self._end_hold()

    def _end_hold(self) -> None:
        self._holds += 1
        self._at_once = 0
        company = len(self._held) - len({ticket.job.lane for ticket in self._held})
        self._company += _WEIGHT * (company - self._company)
        self._release()

    def _release(self) -> None:
        held, self._held, self._held_rows, self._coming = self._held, [], 0, 0
        for ticket, error in self._scheduler.submit_all(held, _SHORT_JOBS):
            if ticket.set_running_or_notify_cancel():
                ticket.set_exception(error)
