"""What is computed when, and with what, on a simulated clock."""

import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.job import Ticket
from serving.levels import SHARE
from serving.status import Code, StatusError
from tests.serving.simulation import BAD, BadValuesError, Engine, Simulation, make_job


def served(simulation: Simulation, lane: object) -> float:
    """Seconds of compute that a lane got."""
    return sum(batch.seconds for batch in simulation.batches if batch.tickets[0].job.lane == lane)


def test_a_batch_that_fails_is_computed_again_one_by_one() -> None:
    simulation = Simulation.of()
    engine = Engine(simulation.clock)
    independence = engine.independence()
    tickets = []
    for values in ([1.0], [2.0, BAD], [3.0]):
        simulation.at(
            0,
            lambda values=values: tickets.append(
                simulation.submit(make_job(engine, values, independence=independence))
            ),
        )
    # all three are there before the thread looks
    simulation.threads = 0
    simulation.run()
    simulation.threads = 1
    simulation.at(0, lambda: None)
    simulation.run()
    assert [rows for _, rows in engine.calls] == [[1.0, 2.0, BAD, 3.0], [1.0], [2.0, BAD], [3.0]]
    assert simulation.outcomes[tickets[0]]["y"].tolist() == [[2.0]]
    assert isinstance(simulation.outcomes[tickets[1]], BadValuesError)
    assert simulation.outcomes[tickets[2]]["y"].tolist() == [[6.0]]
    assert tickets[0].job.record.batch_rows == 1
    assert tickets[0].job.record.seconds["queue"] == 0.0
    assert tickets[0].job.record.seconds["compute"] == pytest.approx(0.4 + 0.08)


def gathered(simulation: Simulation, tickets: list[Ticket]) -> None:
    """Let all that was submitted wait until now, then compute."""
    simulation.at(simulation.clock(), lambda: None)
    simulation.run()


def test_jobs_that_fit_are_computed_together_and_others_are_not() -> None:
    simulation = Simulation.of(rules=BatchingRules(max_rows=5, adaptive=False))
    engine = Engine(simulation.clock)
    independence = engine.independence()
    shapes = [(1.0, 2, 1), (2.0, 1, 2), (3.0, 2, 1), (4.0, 2, 1), (5.0, 1, 1)]  # value, rows, width
    tickets = [
        simulation.submit(make_job(engine, [value] * rows, width=width, independence=independence))
        for value, rows, width in shapes
    ]
    gathered(simulation, tickets)
    assert [rows for _, rows in engine.calls] == [[1.0, 1.0, 3.0, 3.0, 5.0], [2.0], [4.0, 4.0]]
    assert [ticket.job.record.batch_rows for ticket in tickets] == [5, 1, 5, 2, 5]


def test_a_model_that_mixes_rows_is_never_batched(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation.of()
    engine = Engine(simulation.clock, mixes_rows=True)
    independence = engine.independence()
    tickets = [simulation.submit(make_job(engine, [value], independence=independence)) for value in (1.0, 2.0, 3.0)]
    gathered(simulation, tickets)
    assert [rows for _, rows in engine.calls] == [[1.0], [2.0], [3.0]]
    assert "computed one by one" in caplog.text


def test_another_version_of_a_lane_is_not_mixed_in() -> None:
    simulation = Simulation.of()
    old, new = Engine(simulation.clock), Engine(simulation.clock)
    for engine in (old, new):
        independence = engine.independence()
        for value in (1.0, 2.0):
            simulation.submit(make_job(engine, [value], independence=independence))
    gathered(simulation, [])
    assert [[rows for _, rows in engine.calls] for engine in (old, new)] == [[[1.0, 2.0]], [[1.0, 2.0]]]


# Bounds


def test_a_refusal_tells_when_to_try_again() -> None:
    """10 jobs of 0.11 s each have been seen one by one; 6 wait and one has just begun: 0.77 s for one thread."""
    simulation = Simulation.of(max_pending=7, rules=BatchingRules.off())
    engine = Engine(simulation.clock)
    for number in range(10):
        simulation.at(number, lambda: simulation.submit(make_job(engine, [1.0])))
    simulation.run()
    refused = []

    def flood() -> None:
        simulation.submit(make_job(engine, [1.0]))
        simulation._work()  # noqa: SLF001 - the first is begun before the others come
        for _ in range(6):
            simulation.submit(make_job(engine, [1.0]))
        with pytest.raises(StatusError, match="7 requests are waiting already") as caught:
            simulation.submit(make_job(engine, [1.0]))
        refused.append(caught.value)

    simulation.at(20, flood)
    simulation.run()
    assert refused[0].code is Code.RESOURCE_EXHAUSTED
    assert refused[0].retry_after == pytest.approx(0.77)


def test_nothing_is_promised_before_anything_was_measured() -> None:
    simulation = Simulation.of(max_pending=1)
    engine = Engine(simulation.clock)
    simulation.submit(make_job(engine, [1.0]))
    with pytest.raises(StatusError, match="try again later") as caught:
        simulation.submit(make_job(engine, [1.0]))
    assert caught.value.retry_after is None


def test_a_flooded_model_leaves_room_for_others() -> None:
    simulation = Simulation.of(max_pending=4, max_pending_per_model=3)
    engine = Engine(simulation.clock)
    for _ in range(3):
        simulation.submit(make_job(engine, [1.0], model="a"))
    with pytest.raises(StatusError, match="3 requests for this model"):
        simulation.submit(make_job(engine, [1.0], model="a"))
    simulation.submit(make_job(engine, [1.0], model="b"))
    with pytest.raises(StatusError, match="4 requests are waiting"):
        simulation.submit(make_job(engine, [1.0], model="c"))


def test_tensorflow_servings_bounds_have_its_codes_and_words() -> None:
    parameters = BatchingParameters(max_batch_size=2, max_enqueued_batches=2)
    simulation = Simulation.of(rules=BatchingRules.of(parameters))
    engine = Engine(simulation.clock)
    independence = engine.independence()
    with pytest.raises(StatusError, match="Task size 3 is larger than maximum input batch size 2") as caught:
        simulation.submit(make_job(engine, [1.0] * 3, independence=independence))
    assert caught.value.code is Code.INVALID_ARGUMENT
    for _ in range(4):
        simulation.submit(make_job(engine, [1.0], independence=independence))
    with pytest.raises(
        StatusError, match="The batch scheduling queue to which this task was submitted is full"
    ) as full:
        simulation.submit(make_job(engine, [1.0], independence=independence))
    assert full.value.code is Code.UNAVAILABLE
    simulation.submit(make_job(engine, [1.0] * 3))  # a signature without a batch axis is not subject to them


# Deadlines and memory


def test_what_leaves_the_queue_leaves_nothing_behind() -> None:
    simulation = Simulation.of(threads=0)
    engine = Engine(simulation.clock)
    seen = []
    for number in range(500):
        ticket = simulation.submit(make_job(engine, [float(number)], deadline=100.0 + number % 7))
        seen.append(weakref.ref(ticket.job))
        if number % 2:
            ticket.cancel()
            assert simulation.queue.discard(ticket)
        del ticket
    assert simulation.queue.waiting == 250
    gc.collect()
    assert sum(each() is not None for each in seen) <= 250 + 250 + 64  # what is due later may outlive it for a while
    assert len(simulation.queue.pop_overdue(1000.0)) == 250
    gc.collect()
    assert not any(each() for each in seen)
    assert simulation.queue.remembered == 0
    assert simulation.queue.pending == 0


# Fairness


@settings(max_examples=60, deadline=None)
@given(
    costs=st.lists(st.integers(1, 50), min_size=2, max_size=4),
    counts=st.lists(st.integers(1, 40), min_size=4, max_size=4),
    batched=st.booleans(),
)
def test_lanes_that_wait_get_equal_compute_time(costs: list[int], counts: list[int], *, batched: bool) -> None:
    """The bound of start-time fair queueing: two lanes that always wait never differ by more than a batch of each."""
    simulation = Simulation.of(rules=BatchingRules(max_rows=8, adaptive=False) if batched else BatchingRules.off())
    engines = [Engine(simulation.clock, cost / 10, 0.001) for cost in costs]
    for number, (engine, count) in enumerate(zip(engines, counts, strict=False)):
        independence = engine.independence()
        for _ in range(count):
            simulation.submit(make_job(engine, [1.0], lane=number, model=number, independence=independence))
    left = dict(zip(range(len(costs)), counts, strict=False))
    simulation.at(0, lambda: None)
    simulation.run()
    got, largest = (
        dict.fromkeys(left, 0.0),
        {number: max(b.seconds for b in simulation.batches if b.tickets[0].job.lane == number) for number in left},
    )
    for batch in simulation.batches:
        lane = batch.tickets[0].job.lane
        got[lane] += batch.seconds
        left[lane] -= len(batch.tickets)
        waiting = [number for number in left if left[number] > 0]
        for a in waiting:
            for b in waiting:
                assert abs(got[a] - got[b]) <= largest[a] + largest[b] + 1e-9
    assert not any(left.values())


def test_a_lane_that_comes_late_does_not_wait_behind_a_flood() -> None:
    simulation = Simulation.of(rules=BatchingRules.off())
    flood, other = Engine(simulation.clock, 0.1, 0), Engine(simulation.clock, 0.1, 0)
    for _ in range(1000):
        simulation.submit(make_job(flood, [1.0], lane="flood"))
    tickets: list[Ticket] = []
    simulation.at(0, lambda: None)
    simulation.at(5.05, lambda: tickets.append(simulation.submit(make_job(other, [1.0], lane="other"))))
    simulation.run()
    assert simulation.ended_at[tickets[0]] <= 5.05 + 0.05 + 0.1 + 0.1 + 1e-9  # what runs, one of the flood, itself


def test_idling_earns_nothing() -> None:
    simulation = Simulation.of(rules=BatchingRules.off())
    engine = Engine(simulation.clock, 0.1, 0)
    for _ in range(100):
        simulation.submit(make_job(engine, [1.0], lane="busy"))
    for _ in range(100):
        simulation.at(5.0, lambda: simulation.submit(make_job(engine, [1.0], lane="late")))
    simulation.at(0, lambda: None)
    simulation.run(until=9.0)
    lanes = [batch.tickets[0].job.lane for batch in simulation.batches if 5.0 < batch.started <= 9.0]
    assert abs(lanes.count("late") - lanes.count("busy")) <= 2


# Urgency


def test_the_more_urgent_goes_first() -> None:
    simulation = Simulation.of(rules=BatchingRules.off())
    engine = Engine(simulation.clock)
    for priority in (5, 0, 2, 4, 1, 9, 3):
        simulation.submit(make_job(engine, [float(priority)], priority=priority))
    gathered(simulation, [])
    assert [rows[0] for _, rows in engine.calls] == [1, 2, 0, 3, 4, 5, 9]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_flood_of_urgent_jobs_leaves_others_a_twentieth(threads: int) -> None:
    simulation = Simulation.of(threads=threads, rules=BatchingRules.off())
    engine = Engine(simulation.clock, 0.1, 0)
    tickets = []
    for number in range(400):
        simulation.submit(make_job(engine, [1.0], lane=f"urgent {number % 2}", priority=1))
        if number < 100:
            tickets.append(simulation.submit(make_job(engine, [5.0], lane="patient", priority=5)))
    simulation.at(0, lambda: None)
    simulation.run(until=10.0 / threads * 2)
    patient = served(simulation, "patient") / sum(batch.seconds for batch in simulation.batches)
    assert patient == pytest.approx(SHARE / (1 + SHARE), abs=0.02)
    assert simulation.ended_at[tickets[0]] <= 0.1 * (1 / SHARE + 2) + 1e-9, "the first waits for twenty others"


def test_what_was_not_waited_for_is_not_owed() -> None:
    """A patient job now and then waits as long as the first did: its level's credit begins anew."""
    simulation = Simulation.of(rules=BatchingRules.off())
    engine = Engine(simulation.clock, 0.1, 0)
    waits = []
    for _ in range(1000):
        simulation.submit(make_job(engine, [1.0], priority=1))

    def come(time: float) -> None:
        ticket = simulation.submit(make_job(engine, [5.0], priority=5, lane="patient"))
        ticket.job.record.request_id = str(time)
        waits.append(ticket)

    for time in (1.0, 20.0, 50.0):
        simulation.at(time, lambda time=time: come(time))
    simulation.at(0, lambda: None)
    simulation.run()
    for ticket in waits[1:]:
        assert simulation.ended_at[ticket] - ticket.queued >= 0.1 * (1 / SHARE - 2)


# Gathering


def test_a_batch_is_gathered_for_as_long_as_the_parameters_say() -> None:
    parameters = BatchingParameters(max_batch_size=3, batch_timeout_micros=1_000_000)
    simulation = Simulation.of(rules=BatchingRules.of(parameters))
    engine = Engine(simulation.clock)
    independence = engine.independence()
    for time in (0.0, 0.4, 5.0, 5.1, 5.2, 9.0):
        simulation.at(time, lambda time=time: simulation.submit(make_job(engine, [time], independence=independence)))
    simulation.run()
    starts = [(round(start, 6), len(rows)) for start, rows in engine.calls]
    assert starts == [(1.0, 2), (5.2, 3), (10.0, 1)], "after a second, when full, after a second"


def test_nothing_waits_for_company_by_default() -> None:
    simulation = Simulation.of()
    engine = Engine(simulation.clock, 1.0, 0.0)
    independence = engine.independence()
    for time in (0.0, 0.3, 0.6):
        simulation.at(time, lambda time=time: simulation.submit(make_job(engine, [time], independence=independence)))
    simulation.run()
    assert [(start, len(rows)) for start, rows in engine.calls] == [(0.0, 1), (1.0, 2)]


def test_batches_are_padded_to_the_sizes_allowed_and_cut_again() -> None:
    parameters = BatchingParameters(max_batch_size=8, allowed_batch_sizes=(4, 8))
    simulation = Simulation.of(rules=BatchingRules.of(parameters))
    engine = Engine(simulation.clock)
    independence = engine.independence()
    tickets = [simulation.submit(make_job(engine, [value] * 2, independence=independence)) for value in (1.0, 2.0, 3.0)]
    gathered(simulation, tickets)
    assert [rows for _, rows in engine.calls] == [[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0]]
    assert [simulation.outcomes[ticket]["y"].tolist() for ticket in tickets] == [
        [[2.0], [2.0]],
        [[4.0], [4.0]],
        [[6.0], [6.0]],
    ]
    assert tickets[0].job.record.batch_rows == 8


def test_lengths_are_padded_where_the_parameters_say_so() -> None:
    parameters = BatchingParameters(max_batch_size=8, pad_variable_length_inputs=True)
    simulation = Simulation.of(rules=BatchingRules.of(parameters))
    engine = Engine(simulation.clock)
    independence = engine.independence()
    tickets = [
        simulation.submit(make_job(engine, [float(width)], width=width, independence=independence)) for width in (1, 3)
    ]
    gathered(simulation, tickets)
    assert [len(rows) for _, rows in engine.calls] == [2]
    assert simulation.outcomes[tickets[0]]["y"].tolist() == [[2.0, 2.0, 2.0]]


def test_a_large_request_is_computed_in_pieces_where_the_parameters_say_so() -> None:
    parameters = BatchingParameters(
        max_batch_size=10, enable_large_batch_splitting=True, max_execution_batch_size=4, allowed_batch_sizes=(2, 4)
    )
    simulation = Simulation.of(rules=BatchingRules.of(parameters))
    engine = Engine(simulation.clock)
    values = [float(number) for number in range(9)]
    ticket = simulation.submit(make_job(engine, values, independence=engine.independence()))
    gathered(simulation, [ticket])
    assert [rows for _, rows in engine.calls] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 8]]
    assert simulation.outcomes[ticket]["y"].tolist() == [[2 * value] for value in values]
