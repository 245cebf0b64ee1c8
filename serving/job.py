"""What is to be computed, and the promise of its answer."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from serving.batching_rules import BatchingRules
from serving.call_record import CallRecord
from serving.row_independence import RowIndependence

Arrays = Mapping[str, np.ndarray]
Run = Callable[[Arrays], dict[str, np.ndarray]]


@dataclass(eq=False, slots=True, weakref_slot=True)
class Job:
    """Rows to be computed."""

    lane: Hashable
    """Jobs of one lane go through the same callable and share its turn."""
    run: Run
    inputs: Arrays
    record: CallRecord
    """Told how long the job waited and was computed, and with how many rows."""
    deadline: float | None = None
    """In seconds of `time.monotonic`: when nobody waits for the answer any more."""
    priority: int = 0
    """See `serving.priority`."""
    rows: int = 1
    """Length of the first axis of its inputs."""
    model: Hashable = None
    """What the bound on one model's jobs counts by."""
    independence: RowIndependence | None = None
    """Knows whether jobs of this lane may be computed together; None where they may not."""
    rules: BatchingRules | None = None
    """What a batch of this lane is; None for the scheduler's rules."""
    takes_one_core: bool = False
    """Whether batches of this lane that are computed at the same time take a core each, rather than all of them."""
    may_be_waited_for: bool = True
    """Whether an event loop may compute it where it takes little time."""


class Ticket(Future[dict[str, np.ndarray]]):
    """The future answer to a job. Its state belongs to the queue that it waits in."""

    def __init__(self, job: Job, queued: float, forget: "Callable[[Ticket], None] | None" = None) -> None:
        super().__init__()
        self.job = job
        self._forget = forget
        """Told when it was cancelled before its turn."""
        self.queued = queued
        """When it came, on the queue's clock."""
        self.abandoned = False
        """Whether somebody cancelled it too late: it ran already."""
        self.shapes: Hashable = None
        """What has to agree between the jobs of a batch; None for a job that is computed alone."""
        self.size = 0
        """Bytes of its inputs."""

    @property
    def joinable(self) -> bool:
        """Whether it may be computed with others, as far as is known."""
        independence = self.job.independence
        return self.shapes is not None and independence is not None and independence.known is not False

    def cancel(self) -> bool:
        """Give up the answer. Returns whether the job will never be computed."""
        if super().cancel():
            if self._forget is not None:
                self._forget(self)
            return True
        self.abandoned = True
        return False

    def is_overdue(self, now: float) -> bool:
        """Tell whether nobody waits any more."""
        return self.job.deadline is not None and now >= self.job.deadline
