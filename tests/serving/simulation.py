"""Threads and time, simulated: the queue and its batches on a clock that only moves when it is told to."""

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from serving.batch import Batch, Outcome, overdue
from serving.batching_rules import BatchingRules
from serving.bounds import Bounds
from serving.call_record import CallRecord
from serving.job import Job, Ticket
from serving.job_queue import JobQueue
from serving.latency_target import LatencyTarget
from serving.row_independence import RowIndependence
from serving.signature import Signature, TensorSpec
from serving.trial_rows import TrialRows

SIGNATURE = Signature("double", {"x": TensorSpec("float32", (None, None))}, {"y": TensorSpec("float32", (None, None))})
BAD = -1.0
"""A value that the engine refuses, the whole batch with it."""


class BadValuesError(Exception):
    """What the engine says of them."""


@dataclass
class Engine:
    """`y = 2 x`, at a cost; remembers every row it computed and when."""

    clock: "Clock"
    seconds_per_call: float = 0.1
    seconds_per_row: float = 0.01
    calls: list[tuple[float, list[float]]] = field(default_factory=list)
    """Start and the first value of every row."""
    mixes_rows: bool = False

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        x = inputs["x"]
        self.calls.append((self.clock(), x[:, 0].tolist()))
        self.clock.now += self.seconds_per_call + self.seconds_per_row * len(x)
        if (x == BAD).any():
            raise BadValuesError
        return {"y": 2 * x + (len(x) if self.mixes_rows else 0)}

    def independence(self) -> RowIndependence:
        """Its own judgement of itself, taken without being counted."""
        trial = Engine(Clock(), mixes_rows=self.mixes_rows)
        return RowIndependence("double", trial.run, TrialRows(SIGNATURE))


@dataclass
class Clock:
    """Seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Simulation:
    """Threads that take batches from a queue as soon as they are free."""

    clock: Clock
    queue: JobQueue
    threads: int
    outcomes: dict[Ticket, object] = field(default_factory=dict)
    ended_at: dict[Ticket, float] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    when_told: Callable[[Ticket], None] = lambda ticket: None  # noqa: ARG005
    """Called with every ticket that has ended."""
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)
    _busy: int = 0

    @classmethod
    def of(
        cls,
        *,
        threads: int = 1,
        max_pending: int = 10_000,
        max_pending_per_model: int = 10_000,
        rules: BatchingRules | None = None,
        latency: LatencyTarget | None = None,
        clock: Clock | None = None,
        width: int | None = None,
        cores: int = 1,
    ) -> "Simulation":
        bounds = Bounds(max_pending, max_pending_per_model, threads, width or threads, cores, latency)
        return cls(clock or Clock(), JobQueue(bounds, rules or BatchingRules()), threads)

    def at(self, time: float, event: Callable[[], None]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._events, (time, next(self._order), event))

    def submit(self, job: Job) -> Ticket:
        """Queue a job now. Raises what the queue raises."""
        ticket = Ticket(job, self.clock())
        self.queue.add(ticket, self.clock())
        due = self.queue.changes_at(self.clock())
        if due is not None:
            self.at(due, lambda: None)
        return ticket

    def run(self, until: float = float("inf")) -> None:
        """Let time pass until nothing is left to happen."""
        while self._events and self._events[0][0] <= until:
            self.clock.now, _, event = heapq.heappop(self._events)
            event()
            self._keep_time()
            self._work()

    def _keep_time(self) -> None:
        for ticket in self.queue.pop_overdue(self.clock()):
            self._tell((ticket, overdue()))
        due = self.queue.changes_at(self.clock())
        if due is not None and due > self.clock():
            self.at(due, lambda: None)

    def _work(self) -> None:
        while self._busy < self.threads:
            began = self.clock()
            batch = self.queue.take(began)
            if batch is None:
                return
            self.batches.append(batch)
            outcomes = batch.compute(self.clock)
            ended, self.clock.now = self.clock.now, began  # other threads live in the meantime
            self._busy += 1
            self.at(ended, lambda batch=batch, outcomes=outcomes: self._finish(batch, outcomes))

    def _finish(self, batch: Batch, outcomes: list[Outcome]) -> None:
        self._busy -= 1
        self.queue.finish(batch, self.clock())
        for outcome in outcomes:
            self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        ticket, answer = outcome
        assert ticket not in self.outcomes, "told twice"
        self.outcomes[ticket] = answer
        self.ended_at[ticket] = self.clock()
        self.when_told(ticket)


def make_job(engine: Engine, values: list[float], *, lane: object = "lane", width: int = 1, **fields: object) -> Job:
    """A row for every value, each as wide."""
    x = np.repeat(np.array(values, np.float32)[:, None], width, axis=1)
    independence = fields.pop("independence", None)
    return Job(lane, engine.run, {"x": x}, CallRecord("test"), rows=len(x), independence=independence, **fields)
