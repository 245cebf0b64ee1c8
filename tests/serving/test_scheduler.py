"""The scheduler with real threads."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.call_record import CallRecord
from serving.row_independence import RowIndependence
from serving.scheduler import Job, Scheduler
from serving.signature import Signature, TensorSpec
from serving.status import Code, StatusError
from serving.trial_rows import TrialRows

SIGNATURE = Signature("double", {"x": TensorSpec("float32", (None,))}, {"y": TensorSpec("float32", (None,))})
BAD = -1.0


class Engine:
    """`y = 2 x`; waits to be let through where it is told to, refuses -1, remembers the rows of every call."""

    def __init__(self, *, gated: bool = False) -> None:
        self.calls: list[list[float]] = []
        self.began = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.gated = gated
        self.independence = RowIndependence("double", lambda inputs: {"y": 2 * inputs["x"]}, TrialRows(SIGNATURE))

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls.append(inputs["x"].tolist())
        self.began.release()
        if self.gated:
            assert self.gate.acquire(timeout=30)
        if (inputs["x"] == BAD).any():
            raise ValueError("bad")
        return {"y": 2 * inputs["x"]}

    def job(self, *values: float, **fields: object) -> Job:
        fields = {"lane": "lane", "independence": self.independence, **fields}
        x = np.array(values, np.float32)
        return Job(run=self.run, inputs={"x": x}, record=CallRecord("test"), rows=len(x), **fields)


Make = Callable[..., Scheduler]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Scheduler] = []

    def scheduler(**fields: object) -> Scheduler:
        made.append(Scheduler(**{"threads": 1, "max_pending": 100, **fields}))
        return made[-1]

    yield scheduler
    for each in made:
        each.close()


def answer(future: "Future[dict[str, np.ndarray]]") -> list[float]:
    return future.result(30)["y"].tolist()


def test_what_arrives_while_a_thread_is_busy_is_computed_together(make: Make) -> None:
    engine, scheduler = Engine(gated=True), make()
    first = scheduler.submit(engine.job(1))
    assert engine.began.acquire(timeout=30)
    jobs = [engine.job(2), engine.job(3, 4), engine.job(5)]
    others = [scheduler.submit(job) for job in jobs]
    engine.gate.release(2)
    assert [answer(future) for future in (first, *others)] == [[2.0], [4.0], [6.0, 8.0], [10.0]]
    assert engine.calls == [[1.0], [2.0, 3.0, 4.0, 5.0]]
    assert [job.record.batch_rows for job in jobs] == [4, 4, 4]
    assert all(job.record.seconds["queue"] > 0 and job.record.seconds["compute"] > 0 for job in jobs)


def test_an_expired_job_ends_at_its_deadline_and_not_at_its_turn(make: Make) -> None:
    engine, scheduler = Engine(gated=True), make()
    first = scheduler.submit(engine.job(1))
    assert engine.began.acquire(timeout=30)
    late = scheduler.submit(engine.job(2, deadline=monotonic() + 0.05))
    later = scheduler.submit(engine.job(3, deadline=monotonic() + 0.02))
    patient = scheduler.submit(engine.job(4, deadline=monotonic() + 60))
    for future in (late, later):
        with pytest.raises(StatusError, match="deadline passed") as caught:
            future.result(10)
        assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert not first.done(), "the thread is busy still"
    engine.gate.release(2)
    assert (answer(first), answer(patient)) == ([2.0], [8.0])
    assert engine.calls == [[1.0], [4.0]]


def test_a_cancelled_job_frees_its_place_at_once(make: Make) -> None:
    engine, scheduler = Engine(gated=True), make(max_pending=2, max_pending_per_model=2)
    scheduler.submit(engine.job(1))
    assert engine.began.acquire(timeout=30)
    waiting = scheduler.submit(engine.job(2))
    with pytest.raises(StatusError, match="2 requests are waiting"):
        scheduler.submit(engine.job(3))
    assert waiting.cancel()
    last = scheduler.submit(engine.job(4))
    engine.gate.release(2)
    assert answer(last) == [8.0]
    assert engine.calls == [[1.0], [4.0]]


def test_what_runs_cannot_be_cancelled_but_is_not_computed_twice(make: Make) -> None:
    engine, scheduler = Engine(gated=True), make()
    scheduler.submit(engine.job(1))
    assert engine.began.acquire(timeout=30)
    bad, given_up, good = (scheduler.submit(engine.job(value)) for value in (BAD, 3, 4))
    engine.gate.release()
    assert engine.began.acquire(timeout=30)  # the batch of the three
    assert not given_up.cancel()
    engine.gate.release(3)
    with pytest.raises(ValueError, match="bad"):
        bad.result(30)
    assert answer(good) == [8.0]
    assert engine.calls == [[1.0], [BAD, 3.0, 4.0], [BAD], [4.0]]
    with pytest.raises(StatusError, match="given up"):
        given_up.result(30)


def test_lanes_share_the_threads(make: Make) -> None:
    slow, quick, scheduler = Engine(gated=True), Engine(), make(threads=2)
    held = [scheduler.submit(slow.job(1, lane="slow", independence=None)) for _ in range(1)]
    assert slow.began.acquire(timeout=30)
    assert answer(scheduler.submit(quick.job(2, lane="quick"))) == [4.0]
    slow.gate.release()
    assert answer(held[0]) == [2.0]


def test_idle_threads_start_at_once(make: Make) -> None:
    """Three jobs of a lane that is not batched, three threads: all run at the same time."""
    engine, scheduler = Engine(gated=True), make(threads=3)
    futures = [scheduler.submit(engine.job(value, independence=None)) for value in (1, 2, 3)]
    for _ in futures:
        assert engine.began.acquire(timeout=30)
    engine.gate.release(3)
    assert [answer(future) for future in futures] == [[2.0], [4.0], [6.0]]


def test_a_batch_waits_for_its_timeout_though_a_thread_is_idle(make: Make) -> None:
    parameters = BatchingParameters(max_batch_size=2, batch_timeout_micros=50_000)
    engine, scheduler = Engine(), make(rules=BatchingRules.of(parameters))
    began = monotonic()
    assert answer(scheduler.submit(engine.job(1))) == [2.0]
    assert monotonic() - began >= 0.05
    full = [scheduler.submit(engine.job(value)) for value in (1, 2)]
    assert [answer(future) for future in full] == [[2.0], [4.0]]
    assert engine.calls == [[1.0], [1.0, 2.0]]


def test_drain_waits_for_what_waits_and_runs(make: Make) -> None:
    engine, scheduler = Engine(gated=True), make()
    futures = [scheduler.submit(engine.job(value)) for value in (1, 2)]
    assert engine.began.acquire(timeout=30)
    assert not scheduler.drain(0.01)
    engine.gate.release(2)
    assert scheduler.drain(30)
    assert all(future.done() for future in futures)


def test_drain_knows_of_what_was_cancelled_and_what_expired(make: Make) -> None:
    engine, scheduler = Engine(gated=True), make()
    scheduler.submit(engine.job(1))
    assert engine.began.acquire(timeout=30)
    cancelled = scheduler.submit(engine.job(2))
    expired = scheduler.submit(engine.job(3, deadline=monotonic() + 0.05))
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(scheduler.drain, 30)
        assert cancelled.cancel()
        with pytest.raises(StatusError, match="deadline"):
            expired.result(10)
        assert not drained.done()
        engine.gate.release()
        assert drained.result(30)
    assert engine.calls == [[1.0]]


def test_close_drops_what_waits(make: Make) -> None:
    engine, scheduler = Engine(gated=True), make()
    running = scheduler.submit(engine.job(1))
    assert engine.began.acquire(timeout=30)
    waiting = scheduler.submit(engine.job(2))
    scheduler.close()
    with pytest.raises(CancelledError):
        waiting.result(10)
    engine.gate.release()
    assert answer(running) == [2.0]
    with pytest.raises(StatusError, match="shutting down") as caught:
        scheduler.submit(engine.job(3))
    assert caught.value.code is Code.UNAVAILABLE


def test_threads_end_with_the_scheduler(make: Make) -> None:
    before = set(threading.enumerate())
    engine, scheduler = Engine(), make(threads=3)
    assert answer(scheduler.submit(engine.job(1, deadline=monotonic() + 60))) == [2.0]
    started = set(threading.enumerate()) - before
    assert {thread.name for thread in started} == {"zoo-compute-1", "zoo-deadlines"}
    scheduler.close()
    for thread in started:
        thread.join(10)
    assert not any(thread.is_alive() for thread in started)


FOREVER = float("inf")


def seen(scheduler: Scheduler, engine: Engine, **fields: object) -> None:
    """Have the scheduler learn what one row takes."""
    for _ in range(3):
        assert answer(scheduler.submit(engine.job(1, **fields))) == [2]
    assert scheduler.drain(30)


def test_what_is_known_to_be_short_is_computed_by_who_brings_it(make: Make) -> None:
    engine, scheduler = Engine(), make()
    assert scheduler.compute_at_once(engine.job(1), seconds=FOREVER) is None, "nothing is known of it"
    seen(scheduler, engine)
    threads = threading.active_count()
    job = engine.job(4)
    outputs = scheduler.compute_at_once(job, seconds=FOREVER)
    assert outputs is not None
    assert outputs["y"].tolist() == [8]
    assert (job.record.batch_rows, job.record.seconds["queue"]) == (1, 0.0)
    assert job.record.seconds["compute"] > 0
    assert threading.active_count() == threads
    assert scheduler.compute_at_once(engine.job(1), seconds=0) is None, "it takes longer than that"
    assert scheduler.compute_at_once(engine.job(*range(40)), seconds=FOREVER) is None, "so many rows were not seen"
    assert scheduler.compute_at_once(engine.job(1, lane="other"), seconds=FOREVER) is None
    assert scheduler.drain(0)


def test_nothing_goes_before_what_waits_or_beside_what_runs_of_its_model(make: Make) -> None:
    engine, slow, scheduler = Engine(), Engine(gated=True), make()
    seen(scheduler, engine, model="m")
    running = scheduler.submit(slow.job(1, lane="slow", model="other"))
    assert slow.began.acquire(timeout=30)
    assert scheduler.compute_at_once(engine.job(1, model="m"), seconds=FOREVER) is not None, (
        "a thread is busy with another"
    )
    waiting = scheduler.submit(slow.job(1, lane="slow", model="other"))
    assert scheduler.compute_at_once(engine.job(1, model="m"), seconds=FOREVER) is None
    slow.gate.release(2)
    assert [answer(running), answer(waiting)] == [[2], [2]]
    assert slow.began.acquire(timeout=30)
    assert scheduler.drain(30)
    running = scheduler.submit(slow.job(1, lane="slow", model="m"))
    assert slow.began.acquire(timeout=30)
    assert scheduler.compute_at_once(engine.job(1, model="m"), seconds=FOREVER) is None
    slow.gate.release()
    assert answer(running) == [2]


def test_what_is_computed_at_once_fails_its_caller_and_nothing_else(make: Make) -> None:
    engine, scheduler = Engine(), make()
    seen(scheduler, engine)
    with pytest.raises(ValueError, match="bad"):
        scheduler.compute_at_once(engine.job(BAD), seconds=FOREVER)
    calls = len(engine.calls)
    with pytest.raises(StatusError, match="deadline passed") as refused:
        scheduler.compute_at_once(engine.job(1, deadline=monotonic() - 1), seconds=FOREVER)
    assert refused.value.code is Code.DEADLINE_EXCEEDED
    assert len(engine.calls) == calls
    assert scheduler.drain(0)
    scheduler.close()
    assert scheduler.compute_at_once(engine.job(1), seconds=FOREVER) is None


@pytest.mark.parametrize(
    ("rules", "is_computed"),
    [(BatchingRules.off(), True), (BatchingRules(), True), (BatchingRules(adaptive=False), False)],
    ids=["alone", "adaptive", "as TensorFlow Serving does"],
)
def test_batching_parameters_are_obeyed_by_short_jobs_too(make: Make, rules: BatchingRules, is_computed: bool) -> None:  # noqa: FBT001
    engine, scheduler = Engine(), make(rules=rules)
    seen(scheduler, engine)
    assert (scheduler.compute_at_once(engine.job(1), seconds=FOREVER) is not None) is is_computed


@dataclass(frozen=True)
class Request:
    """What one call of one client is."""

    rows: int
    bad: bool
    patience: float | None
    cancel: bool
    priority: int
    lane: int
    batched: bool


requests = st.builds(
    Request,
    rows=st.integers(1, 5),
    bad=st.sampled_from([False] * 4 + [True]),
    patience=st.sampled_from([None, None, 0.0, 0.0005, 0.002, 10.0]),
    cancel=st.sampled_from([False, False, True]),
    priority=st.integers(0, 5),
    lane=st.integers(0, 1),
    batched=st.booleans(),
)
Outcome = Future | StatusError | None


def call_many(
    scheduler: Scheduler, engine: Engine, client: int, plan: list[Request], begin: threading.Barrier
) -> list[tuple[Request, list[float], Outcome]]:
    """Send the requests of one client, some of which it gives up; None for those that were cancelled in time."""
    ended: list[tuple[Request, list[float], Outcome]] = []
    begin.wait(30)
    for number, request in enumerate(plan):
        values = [1000.0 * client + 10.0 * number + row + 1 for row in range(request.rows)]
        if request.bad:
            values[-1] = BAD
        job = engine.job(
            *values,
            lane=request.lane,
            priority=request.priority,
            deadline=None if request.patience is None else monotonic() + request.patience,
            independence=engine.independence if request.batched else None,
        )
        try:
            future = scheduler.submit(job)
        except StatusError as error:
            ended.append((request, values, error))
        else:
            ended.append((request, values, None if request.cancel and future.cancel() else future))
    return ended


def check(request: Request, values: list[float], outcome: Outcome, calls: list[list[float]]) -> None:
    """See that a client got the answer to its own rows, or an error of its own."""
    own = {value for value in values if value != BAD}
    computed = [set(rows) for rows in calls if own & set(rows)]
    if isinstance(outcome, Future):
        assert outcome.done()
        error = outcome.exception(0)
        if error is None:
            assert not request.bad
            assert answer(outcome) == [2 * value for value in values]
        elif isinstance(error, ValueError):
            assert request.bad, "failed for another's values"
        else:
            assert isinstance(error, StatusError)
            given_up = request.cancel if error.code is Code.CANCELLED else request.patience is not None
            assert given_up
            assert error.code in (Code.CANCELLED, Code.DEADLINE_EXCEEDED)
            # It may have been computed while somebody waited still, in a batch that failed.
            assert all(BAD in rows for rows in computed)
    else:
        assert not computed, "refused or cancelled, and computed"
        assert outcome is None or outcome.code in (Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE)


@settings(max_examples=60, deadline=None)
@given(
    plans=st.lists(st.lists(requests, min_size=1, max_size=60), min_size=2, max_size=3),
    threads=st.integers(1, 3),
    bound=st.integers(3, 100),
    rules=st.sampled_from(
        [
            BatchingRules(),
            BatchingRules.off(),
            BatchingRules.of(
                BatchingParameters(max_batch_size=6, batch_timeout_micros=500, allowed_batch_sizes=(3, 6))
            ),
        ]
    ),
)
def test_clients_in_threads_get_their_own_rows_or_an_error(
    plans: list[list[Request]], threads: int, bound: int, rules: BatchingRules
) -> None:
    engine = Engine()
    scheduler = Scheduler(threads=threads, max_pending=bound, max_pending_per_model=bound, rules=rules)
    begin = threading.Barrier(len(plans))
    with ThreadPoolExecutor(len(plans)) as pool:
        clients = [pool.submit(call_many, scheduler, engine, *each, begin) for each in enumerate(plans)]
        ended = [outcome for client in clients for outcome in client.result(60)]
    assert scheduler.drain(30)
    for request, values, outcome in ended:
        check(request, values, outcome, engine.calls)
    scheduler.close()
