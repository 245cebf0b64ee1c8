"""How many batches of one lane are computed at once: on a simulated clock, and once in threads."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from time import monotonic

import numpy as np
import pytest

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.call_record import CallRecord
from serving.job import Job, Ticket
from serving.latency_target import LatencyTarget
from serving.scheduler import Scheduler
from serving.status import StatusError
from tests.serving.simulation import Clock, Engine, Simulation, make_job


def begun(
    seconds: float, *, takes_one_core: bool, joined: bool = True, rules: BatchingRules | None = None
) -> list[int]:
    """Three jobs come while each other is computed, on 8 threads and 3 cores, half of which are 1.

    Returns after how many hundredths of what one takes each is begun.
    """
    simulation = Simulation.of(threads=8, width=1, cores=3, rules=rules)
    engine = Engine(simulation.clock, seconds, seconds * 1e-6)
    independence = engine.independence() if joined else None

    def come() -> None:
        simulation.submit(make_job(engine, [1.0], independence=independence, takes_one_core=takes_one_core))

    for number in range(3):  # what one takes is learnt
        simulation.at(number, come)
    for number in range(5):
        simulation.at(10 + number * seconds / 100, come)
    simulation.run()
    return [round((start - 10) / seconds * 100) for start, _ in engine.calls[3:]]


def test_long_jobs_that_take_a_core_each_are_computed_on_all_cores() -> None:
    """The last two wait for a core, and share it."""
    assert begun(0.1, takes_one_core=True) == [0, 1, 2, 100]
    assert begun(501e-6, takes_one_core=True) == [0, 1, 2, 100]


def test_what_takes_all_cores_or_little_time_is_computed_on_half_of_them() -> None:
    assert begun(0.1, takes_one_core=False) == [0, 100]
    assert begun(499e-6, takes_one_core=True) == [0, 100, 200]  # in turns: two of the four that wait, then the others


def batches(
    waiting: int, seconds: float = 200e-6, *, takes_one_core: bool = True, rules: BatchingRules | None = None
) -> list[int]:
    """Return the rows of the batches: of one job, and of those that come while it is computed, or gathered."""
    simulation = Simulation.of(threads=1, width=1, cores=1, rules=rules)
    engine = Engine(simulation.clock, seconds, seconds * 1e-6)
    independence = engine.independence()

    def come() -> None:
        simulation.submit(make_job(engine, [1.0], independence=independence, takes_one_core=takes_one_core))

    for number in range(4):  # what one takes is learnt
        simulation.at(number, come)
    for number in range(waiting):
        simulation.at(3 + number * seconds / 1000, come)
    simulation.run()
    return [len(rows) for _, rows in engine.calls[3:]]


def test_litert_is_given_powers_of_two_for_whose_sizes_its_memory_is_laid_out() -> None:
    assert batches(7) == [1, 4, 2, 1]
    assert batches(8) == [1, 4, 4]
    assert batches(13) == [1, 4, 4, 4, 1]
    assert batches(15) == [1, 8, 4, 2, 1]


def asked_again_and_again(calls: Sequence[int], travel: float) -> tuple[list[int], float]:
    """Have clients ask for a row each, and again once its answer has travelled to them and the next request back.

    Args:
        calls: how many each client makes.
        travel: how long that takes, in times of what a row takes.

    Returns:
        The rows of every batch, and the share of the time that something was computed.
    """
    simulation, row = Simulation.of(threads=1, width=1, cores=1), 200e-6
    engine = Engine(simulation.clock, 0.0, row)
    independence = engine.independence()
    asked: dict[Ticket, int] = {}
    left = list(calls)

    def come(client: int) -> None:
        job = make_job(engine, [1.0], independence=independence, takes_one_core=True)
        asked[simulation.submit(job)] = client

    def come_again(ticket: Ticket) -> None:
        client = asked[ticket]
        left[client] -= 1
        if left[client]:
            simulation.at(simulation.clock.now + travel * row, partial(come, client))

    for client in range(len(calls)):
        simulation.at(client * row / 100, partial(come, client))
    simulation.when_told = come_again
    simulation.run()
    return [len(rows) for _, rows in engine.calls], sum(calls) * row / simulation.clock.now


def test_half_of_the_clients_are_answered_while_the_other_half_is_computed() -> None:
    sizes, busy = asked_again_and_again([100] * 8, travel=4)
    assert set(sizes[20:-20]) == {4}
    assert busy > 0.98  # were all eight one batch, it would be two thirds


@pytest.mark.parametrize("travel", [0.5, 2, 8])
def test_a_crowd_that_has_gone_is_forgotten(travel: float) -> None:
    sizes, _ = asked_again_and_again([20] * 14 + [200] * 2, travel)
    assert max(sizes) == 8
    assert set(sizes[-100:]) == {1}


def test_others_are_given_all_that_wait_and_so_is_what_event_loops_compute() -> None:
    assert batches(7, takes_one_core=False) == [1, 7]
    assert batches(7, 100e-6) == [1, 7]


def test_tensorflow_servings_parameters_say_themselves_how_large_batches_are() -> None:
    rules = BatchingRules.of(BatchingParameters(max_batch_size=7, batch_timeout_micros=1000))
    assert batches(6, rules=rules) == [7]


def test_what_is_computed_alone_has_all_threads_whatever_it_takes() -> None:
    for takes_one_core in (True, False):
        assert begun(0.1, takes_one_core=takes_one_core, joined=False) == [0, 1, 2, 3, 4]


def test_tensorflow_servings_parameters_know_no_cores() -> None:
    rules = BatchingRules.of(BatchingParameters(max_batch_size=8, batch_timeout_micros=0))
    for takes_one_core in (True, False):
        assert begun(0.1, takes_one_core=takes_one_core, rules=rules) == [0, 1, 2, 3, 4]


def test_nothing_is_known_to_be_long_before_it_was_computed() -> None:
    simulation = Simulation.of(threads=8, width=1, cores=3)
    engine = Engine(simulation.clock, 0.1, 0.0)
    independence = engine.independence()
    for hundredths in (0, 1, 2):
        job = make_job(engine, [1.0], independence=independence, takes_one_core=True)
        simulation.at(hundredths / 100, lambda job=job: simulation.submit(job))
    simulation.run()
    assert [(round(start, 6), len(rows)) for start, rows in engine.calls] == [(0.0, 1), (0.1, 2)]


def test_fewer_cores_than_batches_at_once_take_none_away() -> None:
    simulation = Simulation.of(threads=2, width=2, cores=1)
    engine = Engine(simulation.clock, 0.1, 0.0)
    independence = engine.independence()
    for time in (0.0, 1.0, 2.0, 10.0, 10.01):
        job = make_job(engine, [1.0], independence=independence, takes_one_core=True)
        simulation.at(time, lambda job=job: simulation.submit(job))
    simulation.run()
    assert [round(start, 6) for start, _ in engine.calls][-2:] == [10.0, 10.01]


@pytest.mark.parametrize(("takes_one_core", "refused"), [(True, []), (False, [3])])
def test_a_latency_target_counts_on_the_cores(*, takes_one_core: bool, refused: list[int]) -> None:
    """A batch of two rows takes 0.12 s: what runs, two that wait and the fourth's own, one after the other, take 0.35."""
    simulation = Simulation.of(threads=8, width=1, cores=3, latency=LatencyTarget(0.25))
    engine = Engine(simulation.clock, 0.1, 0.01)
    independence = engine.independence()
    late = []

    def come(number: int, rows: int = 1) -> None:
        job = make_job(engine, [1.0] * rows, independence=independence, takes_one_core=takes_one_core)
        try:
            simulation.submit(job)
        except StatusError:
            late.append(number)

    for number in range(6):
        simulation.at(number, lambda number=number: come(-1, 1 + number % 2))
    for number in range(4):
        simulation.at(10 + number / 1000, lambda number=number: come(number))
    simulation.run()
    assert late == refused


def test_threads_compute_on_all_cores_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three jobs run, those that come then wait, and are computed together."""
    monkeypatch.setattr("serving.scheduler.affordable_cores", lambda: 3)
    calls: list[int] = []
    begun, gate = threading.Semaphore(0), threading.Semaphore(0)

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        until = monotonic() + 2e-3
        while monotonic() < until:
            pass
        calls.append(len(inputs["x"]))
        begun.release()
        assert gate.acquire(timeout=60)
        return {"y": 2 * inputs["x"]}

    independence = Engine(Clock()).independence()

    def job() -> Job:
        x = np.ones((1, 1), np.float32)
        return Job("lane", run, {"x": x}, CallRecord("test"), rows=1, independence=independence, takes_one_core=True)

    scheduler = Scheduler(threads=8, max_pending=100)
    try:
        gate.release()
        scheduler.submit(job()).result(60)
        assert begun.acquire(timeout=60)
        futures = []
        for _ in range(3):
            futures.append(scheduler.submit(job()))
            assert begun.acquire(timeout=60)
        futures += [scheduler.submit(job()) for _ in range(2)]
        for _ in range(4):
            gate.release()
        assert all(future.result(60)["y"] == 2 for future in futures)
        assert calls == [1, 1, 1, 1, 2]
    finally:
        scheduler.close()
