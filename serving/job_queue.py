"""What waits to be computed: within bounds, until a deadline, and in batches whose jobs fit together.

Knows no thread and no clock: whoever uses it holds a lock, and tells it the time.
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from serving.batch import Batch
from serving.batching import joint_shapes, size_of
from serving.batching_rules import BatchingRules
from serving.bounds import Bounds
from serving.deadlines import Deadlines
from serving.job import Job, Ticket
from serving.lanes import Derived, Lane
from serving.levels import Levels, Turn
from serving.next_batch import MOST_BYTES, choose, rows_of_a_turn, wanted_rows
from serving.priority import level_of
from serving.status import Code, StatusError, invalid

_LONG = 500e-6
"""Seconds of compute from which a job is worth a core of its own: threads of shorter ones would wait for each other."""
_IDLE_LANES = 256
"""Lanes without a job whose times are remembered."""


@dataclass(frozen=True)
class Short:
    """What takes so little that going to another thread for it takes longer. In seconds."""

    job: float
    batch: float


class JobQueue:
    """Bounded, fair, and rid at once of what nobody waits for. Not safe from several threads at once."""

    def __init__(self, bounds: Bounds, rules: BatchingRules) -> None:
        self._bounds = bounds
        self._rules = rules
        self._latency = bounds.latency
        self._lanes: OrderedDict[Hashable, Lane] = OrderedDict()
        """The one used last at the end."""
        self._levels = Levels()
        self._waiting: dict[Ticket, Lane] = {}
        self._deadlines = Deadlines(self._waiting)
        self._overdue: list[Ticket] = []
        self._running: dict[Batch, Turn] = {}
        self._gathers = False
        """Whether some lane's batches wait to fill up."""
        self._pending = 0
        self._pending_of_model: Counter[Hashable] = Counter()

    @property
    def pending(self) -> int:
        """Jobs that wait, are computed, or are yet to be told that they are overdue."""
        return self._pending

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return len(self._waiting)

    @property
    def remembered(self) -> int:
        """Everything that is held because of some job, for tests of memory."""
        flows = sum(len(flow.waiting) for lane in self._lanes.values() for flow in lane.flows)
        return flows + len(self._waiting) + len(self._deadlines) + len(self._overdue) + len(self._running)

    def add(self, ticket: Ticket, now: float) -> None:
        """Have a job wait for its turn.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, as many as may are pending, or it would be computed later than the target;
                or what TensorFlow Serving's parameters forbid: INVALID_ARGUMENT, the request is larger than a batch, or
                UNAVAILABLE, too many batches wait.
        """
        job = ticket.job
        self._check_bounds(job.model, now)
        lane = self._lane(job.lane, job.rules or self._rules)
        lane.takes_one_core = job.takes_one_core
        if _may_be_joined(job, lane):
            self._check_rules(lane, job.rows, now)
            ticket.size = size_of(job.inputs)
            if ticket.size <= MOST_BYTES:
                ticket.shapes = joint_shapes(job.inputs, pad_lengths=lane.rules.pad_lengths)
        level = level_of(job.priority) - 1
        self._check_latency(job, lane, now, waited=now - ticket.queued, joinable=ticket.joinable)
        if not lane.flows[level].waiting:
            self._levels.enter(lane, level, now)
        lane.add(ticket, level)
        self._waiting[ticket] = lane
        self._deadlines.add(ticket)
        self._pending += 1
        self._pending_of_model[job.model] += 1

    def refuse(self, job: Job, now: float) -> None:
        """Refuse a job that `add` would refuse for what is pending, before anything is made of it.

        Raises:
            StatusError: RESOURCE_EXHAUSTED.
        """
        self._check_bounds(job.model, now)
        lane = self._lanes.get(job.lane)
        if lane is not None:
            self._check_latency(job, lane, now, waited=0.0, joinable=_may_be_joined(job, lane))

    def discard(self, ticket: Ticket) -> bool:
        """Forget a job that waits. Returns whether it did."""
        if ticket not in self._waiting:
            return False
        self._leave(ticket)
        self._count_down(ticket)
        return True

    def clear(self) -> list[Ticket]:
        """Forget and return all that waits."""
        waiting = list(self._waiting)
        for ticket in waiting:
            self.discard(ticket)
        return waiting

    def pop_overdue(self, now: float) -> list[Ticket]:
        """Forget and return the jobs whose deadline has passed; their askers are yet to be told."""
        self._expire(now)
        overdue, self._overdue = self._overdue, []
        for ticket in overdue:
            self._count_down(ticket)
        return overdue

    def take(self, now: float, short: Short | None = None) -> Batch | None:
        """Return the jobs that are to be computed now; None where none may, or, where only what is short may, none is.

        The tickets of a batch are running: they cannot be cancelled any more. To be followed by `finish`.
        """
        self._expire(now)

        def ready(lane: Lane) -> bool:
            return self._may_start(lane, now) if short is None else self._is_short(lane, short, now)

        while (turn := self._levels.choose(ready, self._estimate)) is not None:
            tickets = self._gather(turn)
            if tickets:
                batch = Batch(tuple(tickets), turn.lane.rules, now)
                turn.lane.begin(batch.rows)
                self._running[batch] = turn
                return batch
            self._levels.finish(turn, 0.0, now)  # all that was found had just been cancelled
        return None

    def finish(self, batch: Batch, now: float) -> None:
        """Tell that a batch was computed."""
        turn = self._running.pop(batch)
        turn.lane.end(batch.rows)
        self._levels.finish(turn, batch.seconds, now)
        if batch.computed_rows:
            turn.lane.times.add(batch.computed_rows, len(batch.tickets), batch.seconds)
        for ticket in batch.tickets:
            self._count_down(ticket)

    def may_go_first(self, job: Job, *, seconds: float | None) -> bool:
        """Tell whether a job may be computed past the queue: nobody waits, and it takes no more than this, if that is given.

        A model whose other jobs are being computed may be busy: that is waited for in the queue.
        """
        rules = job.rules or self._rules
        if (
            not job.may_be_waited_for
            or self._waiting
            or job.model in self._pending_of_model
            or (rules.enabled and not rules.adaptive)
        ):
            return False
        if seconds is None:
            return True
        lane = self._lanes.get(job.lane)
        takes = None if lane is None else lane.times.at_once(job.rows)
        return takes is not None and takes <= seconds

    def most_joined(self, job: Job, jobs: int, *, seconds: float) -> int:
        """Return how many of so many jobs like this one may be computed as one past the queue, in no more than this.

        Returns:
            1 where that is none the better for it; 0 where they have to be queued, so that it is found out whether they may.
        """
        rules, lane = job.rules or self._rules, self._lanes.get(job.lane)
        independence = job.independence
        may_be = job.may_be_waited_for and rules.enabled and rules.adaptive
        if not may_be or independence is None or independence.known is False:
            return 1
        if independence.known is None or lane is None:
            return 0
        return lane.times.most_at_once(job.rows, min(jobs, max(1, lane.most_rows() // job.rows)), seconds)

    def went_first(self, job: Job, seconds: float) -> None:
        """Tell what a job took that was computed past the queue."""
        lane = self._lanes.get(job.lane)
        if lane is not None:
            lane.times.add_at_once(job.rows, seconds)

    def fills_a_turn(self, job: Job, rows: int) -> bool:
        """Tell whether jobs like this one, of so many rows, that were not added yet are company enough for each other."""
        lane = self._lanes.get(job.lane)
        wanted = None if lane is None else rows_of_a_turn(lane)
        return wanted is not None and wanted <= rows

    def may_start(self, ticket: Ticket, now: float) -> bool:
        """Tell whether a job that waits could be computed now, if there were a thread."""
        return ticket in self._waiting and self._may_start(self._waiting[ticket], now)

    def has_more(self, batch: Batch, now: float) -> bool:
        """Tell whether another batch of a running one's lane could be computed now, if there were a thread."""
        return self._may_start(self._running[batch].lane, now)

    def may_start_any(self, now: float) -> bool:
        """Tell whether anything that waits could be computed now, if there were a thread."""
        return bool(self._waiting) and any(lane.jobs and self._may_start(lane, now) for lane in self._lanes.values())

    def is_short(self, ticket: Ticket, short: Short, now: float) -> bool:
        """Tell whether a job that waits is of a lane whose next batch is that short, and may start."""
        return ticket in self._waiting and self._is_short(self._waiting[ticket], short, now)

    def ripe(self, now: float) -> int:
        """Return how many lanes have a batch that has been gathered long enough, and could be computed now."""
        return sum(lane.rules.timeout > 0 and self._may_start(lane, now) for lane in self._lanes.values())

    def changes_at(self, now: float) -> float | None:
        """Return when something will be due that is not due yet: a deadline, or a batch that was gathered long enough."""
        first = self._deadlines.first()
        if not self._gathers:
            return first
        ripe = (lane.ripe_at() for lane in self._lanes.values())
        times = [first, *(time for time in ripe if time is not None and time > now)]
        return min((time for time in times if time is not None), default=None)

    def backlog(self, now: float) -> float | None:
        """Return the seconds until all that waits and runs would be computed; None where nothing has been measured."""
        seconds = 0.0
        for batch, turn in self._running.items():
            seconds += max(0.0, turn.estimate - (now - batch.started))
        measured = False
        for lane in self._lanes.values():
            if lane.times.per_job is not None:
                measured = True
                seconds += lane.jobs * lane.times.per_job
        return seconds / self._bounds.threads if measured else None

    def _check_latency(self, job: Job, lane: Lane, now: float, *, waited: float, joinable: bool) -> None:
        if self._latency is not None:
            running, at_once = self._left_of(lane, now), self._at_once(lane, joinable=joinable)
            self._latency.check(job, lane, waited=waited, joinable=joinable, running=running, at_once=at_once)

    def _left_of(self, lane: Lane, now: float) -> Iterator[float]:
        """Return the seconds that each batch of a lane is still computed for. One that is late will be as late again."""
        return (
            abs(turn.estimate - (now - batch.started)) for batch, turn in self._running.items() if turn.lane is lane
        )

    def _at_once(self, lane: Lane, *, joinable: bool) -> int:
        """Return how many batches of a lane are computed at once, while other lanes want their share of the threads."""
        batched = lane.rules.adaptive and joinable and lane.most_rows() > 1
        busy = sum(1 for each in self._lanes.values() if each is lane or each.jobs or each.running)
        return max(1, min(self._width(lane) if batched else self._bounds.threads, self._bounds.threads // busy))

    def derived(self) -> Mapping[Hashable, Derived]:
        """Return what follows for each lane from the times that were measured."""
        return {
            key: Derived(lane.most_rows(), lane.times.estimate(lane.most_rows()))
            for key, lane in self._lanes.items()
            if lane.times.per_job is not None
        }

    def _check_bounds(self, model: Hashable, now: float) -> None:
        pending, of_model = self.pending, self._pending_of_model[model]
        if pending >= self._bounds.max_pending:
            raise self._full(f"{pending} requests are waiting already", now)
        if of_model >= self._bounds.max_pending_per_model:
            raise self._full(f"{of_model} requests for this model are waiting already", now)

    def _full(self, what: str, now: float) -> StatusError:
        backlog = self.backlog(now)
        when = "later" if backlog is None else f"in {backlog:.2g} s"
        return StatusError(Code.RESOURCE_EXHAUSTED, f"{what}: try again {when}", retry_after=backlog)

    def _check_rules(self, lane: Lane, rows: int, now: float) -> None:
        rules = lane.rules
        if rules.max_request_rows is not None and rows > rules.max_request_rows:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {rules.max_request_rows}")
        if rules.max_waiting_rows is not None and lane.rows + rows > max(rules.max_waiting_rows, rows):
            raise StatusError(
                Code.UNAVAILABLE,
                f"The batch scheduling queue to which this task was submitted is full; {lane.rows} rows are waiting, "
                f"{rules.max_waiting_rows} may (max_enqueued_batches times the size of a batch)",
                retry_after=self.backlog(now),
            )

    def _lane(self, key: Hashable, rules: BatchingRules) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            batch_seconds = None if self._latency is None else self._latency.batch_seconds
            lane = self._lanes[key] = Lane(key, rules, batch_seconds)
            self._forget_lanes()
        else:
            lane.rules = rules
            self._lanes.move_to_end(key)
        self._gathers |= rules.timeout > 0
        return lane

    def _forget_lanes(self) -> None:
        if len(self._lanes) <= _IDLE_LANES:
            return
        idle = [key for key, lane in self._lanes.items() if not lane.jobs and not lane.running]
        for key in idle[: len(self._lanes) - _IDLE_LANES]:
            del self._lanes[key]

    def _expire(self, now: float) -> None:
        for ticket in self._deadlines.pop(now):
            self._leave(ticket)
            self._overdue.append(ticket)

    def _leave(self, ticket: Ticket) -> None:
        lane, level = self._waiting.pop(ticket), level_of(ticket.job.priority) - 1
        lane.remove(ticket, level)
        if not lane.flows[level].waiting:
            self._levels.leave(lane, level)
        self._deadlines.forget()

    def _count_down(self, ticket: Ticket) -> None:
        model = ticket.job.model
        self._pending -= 1
        self._pending_of_model[model] -= 1
        if not self._pending_of_model[model]:
            del self._pending_of_model[model]

    def _may_start(self, lane: Lane, now: float) -> bool:
        ripe = lane.ripe_at()
        if ripe is None or ripe > now:
            return False
        if not lane.rules.adaptive or lane.running < self._width(lane):
            return True
        oldest = lane.oldest()
        return oldest is None or not oldest.joinable or lane.most_rows() == 1

    def _width(self, lane: Lane) -> int:
        """Return how many batches of a lane are computed at once."""
        if lane.takes_one_core and lane.times.estimate(1) >= _LONG:
            return max(self._bounds.width, self._bounds.cores)
        return self._bounds.width

    def _is_short(self, lane: Lane, short: Short, now: float) -> bool:
        """Tell whether a lane's next batch may start, whatever else of it is computed, and is known to take that little."""
        oldest, ripe = lane.oldest(), lane.ripe_at()
        if oldest is None or ripe is None or ripe > now or not oldest.job.may_be_waited_for:
            return False
        independence = oldest.job.independence
        if (lane.rules.enabled and not lane.rules.adaptive) or (
            independence is not None and independence.known is None
        ):
            return False
        rows = max(oldest.job.rows, min(lane.rows, lane.most_rows())) if oldest.joinable else oldest.job.rows
        takes, jobs = lane.times.at_once(rows), max(1.0, lane.jobs * rows / lane.rows)
        return takes is not None and takes <= short.batch and takes <= short.job * jobs

    def _estimate(self, lane: Lane) -> float:
        return lane.times.estimate(max(1, min(lane.rows, wanted_rows(lane))))

    def _gather(self, turn: Turn) -> list[Ticket]:
        """Take the jobs of one batch out of the queue, and mark them as running."""
        chosen = choose(turn)
        for ticket in chosen:
            self._leave(ticket)
        taken = []
        for ticket in chosen:
            if ticket.set_running_or_notify_cancel():
                taken.append(ticket)
            else:
                self._count_down(ticket)
        return taken


def _may_be_joined(job: Job, lane: Lane) -> bool:
    """Tell whether a job may be computed with others of its lane, as far as is known."""
    return lane.rules.enabled and job.independence is not None and job.independence.known is not False
