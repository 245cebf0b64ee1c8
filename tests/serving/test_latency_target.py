"""What follows from a latency target, on a simulated clock; the engine takes 0.1 s a call and 0.01 s a row."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.config import ServerConfig
from serving.job import Ticket
from serving.latency_target import LatencyTarget
from serving.scheduler import Scheduler
from serving.service_times import ServiceTimes
from serving.status import Code, ServerError, StatusError
from tests.serving.simulation import Engine, Simulation, make_job

CALL, ROW = 0.1, 0.01


def refusal(ask: Callable[[], object]) -> StatusError | None:
    try:
        ask()
    except StatusError as error:
        return error
    return None


@dataclass
class Server:
    """One lane of a simulation; knows by plain lists what was let in."""

    target: float | None
    threads: int = 1
    rules: BatchingRules | None = None
    served: list[Ticket] = field(default_factory=list)
    refused: list[tuple[float, StatusError]] = field(default_factory=list)

    def __post_init__(self) -> None:
        latency = None if self.target is None else LatencyTarget(self.target)
        self.simulation = Simulation.of(threads=self.threads, rules=self.rules, latency=latency)
        self.engine = Engine(self.simulation.clock, CALL, ROW)
        self.independence = self.engine.independence()

    @property
    def now(self) -> float:
        return self.simulation.clock()

    @property
    def pending(self) -> int:
        return sum(ticket not in self.simulation.outcomes for ticket in self.served)

    def come(self, rows: int = 1, **fields: object) -> StatusError | None:
        """Have a request come now; see that it is refused beforehand exactly where it is refused."""
        job = make_job(self.engine, [1.0] * rows, **{"independence": self.independence, **fields})
        beforehand = refusal(lambda: self.simulation.queue.refuse(job, self.now))
        refused = refusal(lambda: self.served.append(self.simulation.submit(job)))
        assert str(beforehand) == str(refused)
        if refused is not None:
            self.refused.append((self.now, refused))
        return refused

    def at(self, times: Sequence[float], event: Callable[[], object]) -> None:
        for time in times:
            self.simulation.at(time, event)

    def learn(self, sizes: Sequence[int], *, times: int = 3) -> None:
        """Have single requests of some sizes computed, one after the other."""
        sizes = [size for size in sizes for _ in range(times)]
        for number, size in enumerate(sizes):
            self.simulation.at(self.now + 10.0 * (number + 1), lambda size=size: self.come(size))
        self.simulation.run()

    def seconds(self, ticket: Ticket) -> float:
        """From a request to its answer."""
        return self.simulation.ended_at[ticket] - ticket.queued


def cost(rows: int) -> float:
    return CALL + ROW * rows


arrivals = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 4)), max_size=80)


@settings(max_examples=100, deadline=None)
@given(plan=arrivals, target=st.sampled_from([0.05, 0.2, 0.3, 0.33, 0.5, 1.0, 3.0]), threads=st.integers(1, 3))
def test_whatever_comes_batches_fit_into_half_the_target_and_nothing_idle_refuses(
    plan: list[tuple[int, int]], target: float, threads: int
) -> None:
    server = Server(target, threads=threads)
    server.learn([1, 2, 4, 8, 16, 32, 64])
    learnt, begun = len(server.simulation.batches), server.now + 1

    def come(rows: int) -> None:
        was_idle = not server.pending
        refused = server.come(rows)
        assert refused is None or not was_idle
        assert refused is None or refused.code is Code.RESOURCE_EXHAUSTED
        assert refused is None or refused.retry_after > 0

    for hundredths, rows in plan:
        server.simulation.at(begun + hundredths / 100, lambda rows=rows: come(rows))
    server.simulation.run()
    assert set(server.simulation.outcomes) == set(server.served), "all that was let in is answered"
    for batch in server.simulation.batches[learnt:]:
        if len(batch.tickets) > 1:
            # Times are told apart by doublings of rows: of fewer rows, a share of the call's own cost is not seen.
            assert cost(batch.computed_rows) <= target / 2 + CALL / 2
    assert bool(plan) <= (len(server.served) > learnt)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(("target", "overload"), [(0.33, 3.0), (0.61, 1.5), (0.61, 10.0), (1.01, 3.0)])
def test_under_overload_what_is_served_is_in_time_and_nearly_all_that_could_be(
    target: float, overload: float, *, batched: bool
) -> None:
    """An open loop of single rows, for 50 seconds: capacity is a batch that takes half of the target after the other."""
    server = Server(target, rules=None if batched else BatchingRules.off())
    server.learn([1, 2, 4, 8, 16, 32] if batched else [1])
    largest = int((target / 2 - CALL) / ROW + 1e-9) if batched else 1
    capacity = largest / cost(largest)
    learnt, begun = len(server.served), server.now + 1
    count = int(50 * capacity * overload)
    server.at([begun + number / (capacity * overload) for number in range(count)], server.come)
    server.simulation.run()
    served = server.served[learnt:]
    assert max(map(server.seconds, served)) <= 2 * target
    assert max(server.seconds(ticket) for ticket in served if ticket.queued > begun + 5) <= 1.05 * target
    assert len(served) >= 0.9 * 50 * capacity
    assert len(served) + len(server.refused) == count


def test_nothing_is_refused_below_capacity() -> None:
    server = Server(0.6)
    server.learn([1, 2, 4, 8, 16])
    begun = server.now + 1
    server.at([begun + number / 40 for number in range(2000)], server.come)  # of 64 a second
    server.simulation.run()
    assert not server.refused


def test_without_measurements_nothing_is_refused_and_batches_are_as_without_a_target() -> None:
    found = []
    for target in (0.05, None):
        server = Server(target)
        server.at([0.0] * 100, server.come)
        server.simulation.run()
        assert not server.refused
        found.append([len(batch.tickets) for batch in server.simulation.batches])
    assert found[0][0] == found[1][0]


def test_a_model_that_takes_longer_than_the_target_is_served_one_by_one() -> None:
    server = Server(0.05)
    server.learn([1, 2])
    learnt = len(server.served)
    begun = server.now + 1
    server.at([begun + number / 100 for number in range(1000)], server.come)
    server.simulation.run()
    assert 1000 - len(server.refused) == len(server.served) - learnt
    assert len(server.served) - learnt >= 0.85 * 10 / cost(1)
    assert all(len(batch.tickets) == 1 for batch in server.simulation.batches)


def test_a_refusal_tells_when_the_request_would_have_been_let_in() -> None:
    """A row takes 0.11 s. One has just begun, three wait: the fifth would end after 0.55 s, and the target is 0.5."""
    server = Server(0.5, rules=BatchingRules.off())
    server.learn([1])
    refusals = []

    def flood() -> None:
        server.come()
        server.simulation._work()  # noqa: SLF001 - it has begun before the others come
        refusals.extend(server.come() for _ in range(4))

    server.simulation.at(server.now + 1, flood)
    server.simulation.run()
    assert refusals[:3] == [None, None, None]
    assert refusals[3].retry_after == pytest.approx(0.05)
    assert "would take 550 ms, this server's target is 500" in str(refusals[3])


def test_one_slow_surprise_is_forgotten() -> None:
    """Batches of 20 rows take 0.3 s, about half of the target; one takes twenty times as long."""
    server = Server(0.61)
    server.learn([1, 2, 4, 8, 16, 20])
    begun = server.now + 1
    slow = begun + 10

    def stall() -> None:
        server.engine.seconds_per_call = 6.0

    def recover() -> None:
        server.engine.seconds_per_call = CALL

    server.at([slow], stall)
    server.at([slow + 1], recover)
    server.at([begun + number / 200 for number in range(200 * 60)], server.come)
    server.simulation.run()
    late = [ticket for ticket in server.served if server.seconds(ticket) > 0.61 * 1.1]
    assert all(slow - 1 <= ticket.queued <= slow + 8 for ticket in late)
    last = [batch for batch in server.simulation.batches if batch.started > begun + 50]
    assert max(batch.computed_rows for batch in last) in {19, 20}


def test_a_size_that_was_slow_is_tried_again_after_64_batches_of_others() -> None:
    times = ServiceTimes(most_seconds=0.305)
    for rows in [1, 2, 4, 8, 16, 20] * 3:
        times.add(rows, rows, cost(rows))
    assert times.timely == 20
    for _ in range(10):
        times.add(20, 20, 3.0)
    assert times.timely == 16
    for _ in range(66):
        times.add(16, 16, cost(16))
    assert times.timely == 18  # as if a row took what it does of 16
    times.add(18, 18, cost(18))
    assert times.timely >= 18


def test_a_size_that_stays_slow_is_left_alone_again() -> None:
    times = ServiceTimes(most_seconds=0.3)
    for rows in [1, 2, 4, 8, 16] * 3:
        times.add(rows, rows, cost(rows))
    for _ in range(10):
        times.add(18, 18, 3.0)
    found = []
    for _ in range(660):
        found.append(times.timely)
        rows = times.timely
        times.add(rows, rows, 3.0 if rows > 16 else cost(rows))
    assert found.count(16) >= 0.95 * len(found)


def test_less_urgent_jobs_are_not_in_the_way() -> None:
    server = Server(0.5, rules=BatchingRules.off())
    server.learn([1])
    found = []

    def flood() -> None:
        while server.come(priority=5) is None:
            pass
        found.append(server.come(priority=1))

    server.simulation.at(server.now + 1, flood)
    server.simulation.run()
    assert found == [None]


def test_a_flood_of_another_model_refuses_nobody_here() -> None:
    server = Server(0.5, rules=BatchingRules.off(), threads=2)
    server.learn([1])
    found = []

    def flood() -> None:
        for _ in range(20):
            server.come(lane="flooded")
        found.append(server.come())

    server.simulation.at(server.now + 1, flood)
    server.simulation.run()
    assert found == [None]


# Beside batching parameters


def test_what_parameters_name_wins() -> None:
    named = BatchingRules.of(BatchingParameters(max_batch_size=64, max_enqueued_batches=100))
    server = Server(0.3, rules=named)
    server.learn([1, 2, 4, 8, 16])
    server.at([server.now + 1] * 64, server.come)
    server.simulation.run()
    assert not server.refused
    assert server.simulation.batches[-1].computed_rows == 63  # beside the one that found nobody


def test_what_parameters_do_not_name_is_of_the_target() -> None:
    server = Server(0.61, rules=BatchingRules.of(BatchingParameters(batch_timeout_micros=1000)))
    server.learn([1, 2, 4, 8, 16, 20])
    learnt = len(server.simulation.batches)
    server.at([server.now + 1 + number / 500 for number in range(1000)], server.come)
    server.simulation.run()
    assert server.refused
    assert max(batch.computed_rows for batch in server.simulation.batches[learnt:]) == 20


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"batching_parameters": BatchingParameters(max_batch_size=8)},
            "what the batching parameters name wins (max_batch_size); it sets how much may wait",
        ),
        (
            {"batching_parameters": BatchingParameters(max_enqueued_batches=2, batch_timeout_micros=5000)},
            "(batch_timeout_micros, max_enqueued_batches); it sets the size of batches; the 5 ms for which",
        ),
        ({}, "(nothing); it sets the size of batches and how much may wait"),
        ({"enable_per_model_batching_parameters": True}, "what a version's own batching parameters name wins"),
    ],
)
def test_both_are_never_given_in_silence(
    fields: dict[str, object], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Scheduler.of(ServerConfig(latency_target_ms=20, enable_batching=True, **fields))
    assert "a latency target of 20 ms" in caplog.text
    assert words in caplog.text


def test_a_target_alone_is_nothing_to_warn_of(caplog: pytest.LogCaptureFixture) -> None:
    Scheduler.of(ServerConfig(latency_target_ms=20))
    assert not caplog.text


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_target_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ServerError, match=r"latency_target_ms .*: expected more than 0"):
        ServerConfig(latency_target_ms=value)
