"""Jobs of one event loop: held while that brings company, and never for long."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from serving.batching_rules import BatchingRules
from serving.call_record import CallRecord
from serving.gathering import Gathering
from serving.job import Ticket
from serving.job_queue import Short
from serving.mailbox import Mailbox
from serving.row_independence import RowIndependence
from serving.scheduler import Job, Scheduler
from serving.signature import Signature, TensorSpec
from serving.status import Code, StatusError
from serving.trial_rows import TrialRows

SIGNATURE = Signature("double", {"x": TensorSpec("float32", (None,))}, {"y": TensorSpec("float32", (None,))})


def double(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"y": 2 * inputs["x"]}


INDEPENDENCE = RowIndependence("double", double, TrialRows(SIGNATURE))


class Loop:
    """What one event loop has: a scheduler of one thread, and the numbers of rows of its calls."""

    def __init__(self, max_pending: int = 100) -> None:
        rules = BatchingRules(adaptive=False)
        self.scheduler = Scheduler(threads=1, max_pending=max_pending, max_pending_per_model=max_pending, rules=rules)
        self.gathering = Gathering(self.scheduler)
        self.mailbox = Mailbox()
        self.calls: list[list[float]] = []

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls.append(inputs["x"].tolist())
        return double(inputs)

    def submit(self, value: float) -> "asyncio.Future[dict[str, np.ndarray]]":
        inputs = {"x": np.array([value], np.float32)}
        job = Job("lane", self.run, inputs, CallRecord("test"), independence=INDEPENDENCE)
        return asyncio.ensure_future(self.mailbox.wait(self.gathering.submit(job)))


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.scheduler.close()


async def bursts(loop: Loop, count: int, size: int) -> None:
    for number in range(count):
        values = [float(size * number + each) for each in range(size)]
        answers = await asyncio.wait_for(asyncio.gather(*(loop.submit(value) for value in values)), 30)
        assert [answer["y"].tolist() for answer in answers] == [[2 * value] for value in values]


def test_what_comes_in_bursts_is_soon_computed_in_bursts(loop: Loop) -> None:
    asyncio.run(bursts(loop, 100, 4))
    assert [len(rows) for rows in loop.calls[-10:]] == [4] * 10


def test_a_single_client_is_not_held_up(loop: Loop) -> None:
    asyncio.run(bursts(loop, 100, 1))
    assert loop.calls == [[float(number)] for number in range(100)]


def test_bursts_that_end_are_forgotten(loop: Loop) -> None:
    async def both() -> None:
        await bursts(loop, 100, 4)
        await bursts(loop, 200, 1)

    asyncio.run(both())
    assert all(len(rows) == 1 for rows in loop.calls[-200:])


def test_a_refusal_reaches_the_one_who_was_refused() -> None:
    loop = Loop(max_pending=2)

    async def ask() -> list[object]:
        await bursts(loop, 200, 2)  # from then on they are held
        return await asyncio.gather(*(loop.submit(value) for value in range(5)), return_exceptions=True)

    answers = asyncio.run(ask())
    loop.scheduler.close()
    refused = [answer for answer in answers if isinstance(answer, StatusError)]
    assert 0 < len(refused) <= 3
    assert {error.code for error in refused} == {Code.RESOURCE_EXHAUSTED}


def test_a_job_that_is_given_up_while_it_is_held_is_never_computed(loop: Loop) -> None:
    async def ask() -> None:
        await bursts(loop, 100, 4)
        loop.calls.clear()
        futures = [loop.submit(value) for value in (1, 2, 3)]
        await asyncio.sleep(0)  # each has begun to wait
        futures[1].cancel()
        await asyncio.gather(futures[0], futures[2])

    asyncio.run(ask())
    assert loop.calls == [[1.0, 3.0]]


class Timed:
    """An adaptive scheduler whose jobs seem to take what they are said to, by a clock that only they move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.threads: list[str] = []
        self.rows: list[int] = []
        monkeypatch.setattr("serving.scheduler.monotonic", lambda: self.now)
        self.scheduler = Scheduler(threads=2, max_pending=100)
        self.gathering = Gathering(self.scheduler)
        self.mailbox = Mailbox()

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.threads.append(threading.current_thread().name)
        self.rows.append(len(inputs["x"]))
        self.now += self.seconds
        return double(inputs)

    async def bursts(self, count: int, size: int) -> None:
        for _ in range(count):
            jobs = [
                Job(
                    "lane",
                    self.run,
                    {"x": np.array([value], np.float32)},
                    CallRecord("test"),
                    independence=INDEPENDENCE,
                )
                for value in range(size)
            ]
            futures = [asyncio.ensure_future(self.mailbox.wait(self.gathering.submit(job))) for job in jobs]
            answers = await asyncio.wait_for(asyncio.gather(*futures), 30)
            assert [answer["y"].tolist() for answer in answers] == [[2 * value] for value in range(size)]


@pytest.mark.parametrize(("seconds", "here"), [(1e-4, True), (4e-4, False), (0.1, False)])
def test_what_takes_little_together_is_computed_together_by_the_loop(
    monkeypatch: pytest.MonkeyPatch, seconds: float, *, here: bool
) -> None:
    """8 jobs of 12 microseconds each; of 50, together worth a thread; and of what a loop must not stand still for."""
    INDEPENDENCE.decide()
    timed = Timed(monkeypatch, seconds)
    asyncio.run(timed.bursts(100, 8))
    timed.scheduler.close()
    this = threading.current_thread().name
    assert {name == this for name in timed.threads[-10:]} == {here}
    assert timed.rows[-10:] == [8] * 10


def test_a_job_of_a_lane_that_a_thread_computes_too_may_be_computed_by_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or else a lane that is never idle would be a thread's for ever."""
    INDEPENDENCE.decide()
    timed = Timed(monkeypatch, 1e-4)
    asyncio.run(timed.bursts(100, 8))
    held, entered = threading.Event(), threading.Event()

    def hold(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        entered.set()
        assert held.wait(30)
        return double(inputs)

    slow = Job("lane", hold, {"x": np.zeros(1, np.float32)}, CallRecord("test"), independence=INDEPENDENCE)
    future = timed.scheduler.submit(slow)
    assert entered.wait(30)
    timed.threads.clear()
    asyncio.run(timed.bursts(1, 8))
    held.set()
    future.result(30)
    timed.scheduler.close()
    assert timed.threads == [threading.current_thread().name]


def test_a_short_job_of_a_single_client_is_computed_in_the_loop() -> None:
    mailbox = Mailbox()

    async def ask() -> list[bool]:
        scheduler = Scheduler(threads=1, max_pending=9)
        gathering, found = Gathering(scheduler), []
        for value in range(20):
            job = Job("lane", double, {"x": np.array([value], np.float32)}, CallRecord("test"))
            outputs = gathering.at_once(job)
            found.append(outputs is not None)
            if outputs is None:
                outputs = await mailbox.wait(gathering.submit(job))
            assert outputs["y"].tolist() == [2 * value]
            scheduler.drain(30)
        scheduler.close()
        return found

    found = asyncio.run(ask())
    assert not any(found[:3])
    assert any(found)


class Told(Scheduler):
    """Computes at once what it is told to, and remembers that."""

    def __init__(self, turn: int) -> None:
        super().__init__(threads=1, max_pending=100)
        self.turn = turn
        self.submitted: list[int] = []
        self.allowed: list[float | None] = []

    def fills_a_turn(self, job: Job, rows: int) -> bool:
        return rows >= self.turn

    def submit_all(self, tickets: Sequence[Ticket], short: Short | None = None) -> list[tuple[Ticket, StatusError]]:
        self.submitted.append(len(tickets))
        for ticket in tickets:
            ticket.set_result(ticket.job.run(ticket.job.inputs))
        return []

    def compute_at_once(self, job: Job, *, seconds: float | None) -> dict[str, np.ndarray]:
        self.allowed.append(seconds)
        return job.run(job.inputs)


def job_of(lane: str = "lane", rows: int = 1) -> Job:
    return Job(lane, double, {"x": np.ones(rows, np.float32)}, CallRecord("test"), rows=rows)


async def after_bursts(scheduler: Told) -> Gathering:
    """Return what has learnt that jobs come in company."""
    gathering, turn, scheduler.turn = Gathering(scheduler), scheduler.turn, 100
    while scheduler.submitted[-1:] != [4]:
        for _ in range(4):
            gathering.submit(job_of())
        for _ in range(20):
            await asyncio.sleep(0)
    scheduler.submitted.clear()
    scheduler.turn = turn
    return gathering


@pytest.mark.parametrize(("turn", "at_once"), [(4, [4, 4]), (3, [3, 3]), (8, [8]), (9, [])])
def test_as_many_as_a_batch_is_to_have_are_held_no_longer(turn: int, at_once: list[int]) -> None:
    async def ask() -> None:
        scheduler = Told(turn)
        gathering = await after_bursts(scheduler)
        for _ in range(8):
            gathering.submit(job_of())
        assert scheduler.submitted == at_once
        for _ in range(20):
            await asyncio.sleep(0)
        assert sum(scheduler.submitted) == 8

    asyncio.run(ask())


def test_rows_fill_a_batch_and_not_jobs() -> None:
    async def ask() -> None:
        scheduler = Told(4)
        gathering = await after_bursts(scheduler)
        gathering.submit(job_of(rows=2))
        assert scheduler.submitted == []
        gathering.submit(job_of(rows=2))
        assert scheduler.submitted == [2]

    asyncio.run(ask())


def test_what_comes_after_a_full_batch_is_held_for_as_long_as_anything() -> None:
    async def rounds(full: int) -> int:
        scheduler = Told(4)
        gathering = await after_bursts(scheduler)
        for _ in range(full * 4):
            gathering.submit(job_of())
        assert scheduler.submitted == [4] * full
        gathering.submit(job_of())
        count = 0
        while len(scheduler.submitted) == full:
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(rounds(0)) == asyncio.run(rounds(1)) == asyncio.run(rounds(3)) > 4


def test_who_asks_for_another_model_several_times_at_once_is_there_too() -> None:
    scheduler = Told(1)
    gathering = Gathering(scheduler)
    for _ in range(40):
        gathering.at_once(job_of("long"))
    scheduler.allowed.clear()
    assert gathering.calls_at_once(job_of("other"), 8) == 1
    gathering.at_once(job_of("long"))
    assert scheduler.allowed == [pytest.approx(150e-6)]


def test_only_where_nobody_else_is_there_the_loop_computes_what_takes_it_longer() -> None:
    scheduler = Told(1)
    gathering = Gathering(scheduler)
    for lane, jobs in (("long", 40), ("other", 1), ("long", 40)):
        for _ in range(jobs):
            gathering.at_once(job_of(lane))
    long, short = max(filter(None, scheduler.allowed)), min(filter(None, scheduler.allowed))
    assert long == pytest.approx(1e-3)
    assert short == pytest.approx(150e-6)
    assert scheduler.allowed == [short] * 32 + [long] * 8 + [short] * 33 + [long] * 8
