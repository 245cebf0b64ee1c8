"""Jobs that are computed together, and how that is done so that none of them harms another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from serving.batching import NotPerRowError, join, split
from serving.batching_rules import BatchingRules
from serving.job import Ticket
from serving.status import Code, StatusError

Outputs = dict[str, np.ndarray]
Outcome = tuple[Ticket, Outputs | BaseException]


@dataclass(eq=False)
class Batch:
    """Tickets that were taken out of a queue to be computed. Belongs to the thread that computes it."""

    tickets: tuple[Ticket, ...]
    rules: BatchingRules
    started: float
    """When it was taken, on the queue's clock."""
    computed_rows: int = field(default=0, init=False)
    """Rows that were computed in one call, padding counted; 0 where that failed, or nothing was computed."""
    seconds: float = field(default=0.0, init=False)
    """That computing took."""

    @property
    def rows(self) -> int:
        """Of its tickets."""
        return sum(ticket.job.rows for ticket in self.tickets)

    def compute(self, clock: Callable[[], float]) -> list[Outcome]:
        """Return the answer to every ticket, or what went wrong with it; raises nothing.

        Tickets that were given up meanwhile, or whose deadline has passed, are not computed.
        """
        joinable = self._joinable()  # takes a while the first time
        begun = clock()
        outcomes: list[Outcome] = []
        left = []
        for ticket in self.tickets:
            ticket.job.record.seconds["queue"] = begun - ticket.queued
            reason = _why_not(ticket, begun)
            if reason is None:
                left.append(ticket)
            else:
                outcomes.append((ticket, reason))
        if joinable and len(left) > 1:
            together = self._together(left)
            if together is not None:
                outcomes += together
                left = []
        for ticket in left:
            outcomes.append((ticket, self._alone(ticket, clock, joinable=joinable)))
        self.seconds = clock() - begun
        for ticket, _ in outcomes:
            ticket.job.record.seconds["compute"] = self.seconds if ticket.job.record.batch_rows else 0.0
        return outcomes

    def _joinable(self) -> bool:
        """Tell whether rows may be joined, taken apart and added; asks only where that is needed."""
        first = self.tickets[0]
        if first.job.independence is None or first.shapes is None:
            return False
        if len(self.tickets) == 1 and not self.rules.changes(first.job.rows):
            return False
        return first.job.independence.decide()

    def _together(self, tickets: Sequence[Ticket]) -> list[Outcome] | None:
        """Compute several jobs in one call; None where each has to be computed alone to see whose fault it was."""
        rows = [ticket.job.rows for ticket in tickets]
        computed = self.rules.padded(sum(rows))
        try:
            outputs = tickets[0].job.run(join([ticket.job.inputs for ticket in tickets], rows=computed))
            answers = split(outputs, rows, computed=computed)
        except NotPerRowError as error:
            independence = tickets[0].job.independence
            if independence is not None:
                independence.refuse(str(error))
            return None
        except BaseException:  # noqa: BLE001 - it is raised again for the job whose fault it is
            return None
        for ticket in tickets:
            ticket.job.record.batch_rows = computed
            ticket.job.record.executions = int(ticket is tickets[0])
        self.computed_rows = computed
        return list(zip(tickets, answers, strict=True))

    def _alone(self, ticket: Ticket, clock: Callable[[], float], *, joinable: bool) -> Outputs | BaseException:
        job, record = ticket.job, ticket.job.record
        try:
            if not joinable:
                _raise(_why_not(ticket, clock()))
                record.batch_rows = job.rows
                outputs = job.run(job.inputs)
            else:
                outputs = self._in_pieces(ticket, clock)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to this job's future
            return error
        if len(self.tickets) == 1:
            self.computed_rows = record.batch_rows
        return outputs

    def _in_pieces(self, ticket: Ticket, clock: Callable[[], float]) -> Outputs:
        """Compute a job in calls of as many rows as the rules want."""
        job, answers = ticket.job, []
        size = self.rules.piece_rows(job.rows)
        job.record.executions = 0
        for start in range(0, job.rows, size):
            _raise(_why_not(ticket, clock()))
            piece = {name: array[start : start + size] for name, array in job.inputs.items()}
            rows = min(size, job.rows - start)
            computed = self.rules.padded(rows)
            job.record.batch_rows += computed
            job.record.executions += 1
            answers += split(job.run(join([piece], rows=computed)), [rows], computed=computed)
        return join(answers, rows=job.rows) if len(answers) > 1 else answers[0]


def _why_not(ticket: Ticket, now: float) -> StatusError | None:
    """Return why a ticket is not to be computed."""
    if ticket.abandoned:
        return StatusError(Code.CANCELLED, "the request was given up before its turn came")
    if ticket.is_overdue(now):
        return overdue()
    return None


def overdue() -> StatusError:
    """Return the error of a job whose deadline passed in the queue."""
    return StatusError(Code.DEADLINE_EXCEEDED, "the deadline passed before the request's turn came")


def _raise(error: StatusError | None) -> None:
    if error is not None:
        raise error
