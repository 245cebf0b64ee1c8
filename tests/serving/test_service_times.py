"""What is learnt of a lane's batches."""

import pytest

from serving.service_times import ServiceTimes


def learnt(seconds_per_row: dict[int, float], times: int = 3) -> ServiceTimes:
    found = ServiceTimes()
    for _ in range(times):
        for rows, seconds in seconds_per_row.items():
            found.add(rows, rows, seconds * rows)
    return found


def test_a_constant_time_is_learnt_exactly() -> None:
    times = learnt({8: 0.5}, times=10)
    assert times.estimate(8) == pytest.approx(4.0)
    assert times.per_job == pytest.approx(0.5)


def test_the_nearest_size_speaks_for_others() -> None:
    times = learnt({1: 1.0, 32: 0.1})
    assert times.estimate(2) == pytest.approx(2.0)
    assert times.estimate(64) == pytest.approx(6.4)
    assert ServiceTimes().estimate(3) == 0.0
    assert ServiceTimes().per_job is None


def test_newer_times_count_more() -> None:
    times = ServiceTimes()
    for seconds in [1.0] * 5 + [3.0] * 30:
        times.add(1, 1, seconds)
    assert times.estimate(1) == pytest.approx(3.0, rel=0.01)


@pytest.mark.parametrize(
    ("seconds_per_row", "most"),
    [
        ({}, None),  # nothing is known: try
        ({1: 1.0}, 8),  # three doublings further
        ({1: 1.0, 2: 0.6}, 16),
        ({1: 1.0, 2: 0.6, 4: 0.9}, 2),
        ({1: 1.0, 2: 0.6, 16: 0.9}, 8),  # between them it is not known
        ({1: 1.0, 2: 1.2}, 1),  # larger batches do not pay
        ({1: 1.0, 2: 0.6, 4: 0.4, 8: 0.3, 16: 0.25, 32: 0.25, 64: 0.25}, 512),
    ],
)
def test_batches_grow_while_a_row_gets_cheaper(seconds_per_row: dict[int, float], most: int | None) -> None:
    assert learnt(seconds_per_row).worthwhile == most


def test_a_slow_first_call_does_not_count() -> None:
    times = learnt({1: 1.0})
    for seconds in (50.0, 0.5, 0.6):
        times.add(2, 2, 2 * seconds)
    assert times.estimate(2) == pytest.approx(1.0)
    assert times.worthwhile >= 2


def test_a_size_that_did_not_pay_is_tried_again_now_and_then_and_forgiven() -> None:
    times = learnt({1: 1.0, 2: 1.2})
    found = []
    for _ in range(130):
        found.append(times.worthwhile)
        times.add(1, 1, 1.0)
    assert 2 <= found.count(2) <= 3
    assert times.worthwhile == 1
    times.add(2, 2, 1.0)
    assert times.worthwhile >= 2


def test_what_a_job_takes_at_once_is_what_the_quickest_took_until_it_was_tried() -> None:
    times = ServiceTimes()
    assert times.at_once(1) is None
    for seconds in (0.5, 0.001, 0.004):
        times.add(1, 1, seconds)
    assert times.at_once(1) == 0.001
    assert times.at_once(2) is None
    times.add_at_once(1, 0.02)
    assert times.at_once(1) == 0.02
    times.add_at_once(1, 0.01)
    assert times.at_once(1) == 0.01


def test_a_job_at_once_takes_no_longer_than_a_larger_batch_took() -> None:
    times = ServiceTimes()
    for _ in range(3):
        times.add(1, 1, 9e-5)
        times.add(16, 16, 8e-5)
    assert times.at_once(1) == pytest.approx(8e-5)
    assert times.at_once(16) == pytest.approx(8e-5)


def test_what_interrupts_a_job_at_once_hardly_counts_but_a_job_that_became_slower_does() -> None:
    times = ServiceTimes()
    for _ in range(3):
        times.add(1, 1, 1e-5)
    times.add_at_once(1, 1e-5)
    times.add_at_once(1, 1e-3)
    assert times.at_once(1) == pytest.approx(1.02e-5)
    for _ in range(300):
        times.add_at_once(1, 1e-3)
    assert times.at_once(1) == 1e-3
    times.add_at_once(2, 0.01)
    assert times.at_once(2) == pytest.approx(0.01), "a size that was only seen in the loop"


def test_what_took_long_at_once_is_tried_again_after_a_while() -> None:
    times = ServiceTimes()
    for _ in range(3):
        times.add(1, 1, 0.001)
    times.add_at_once(1, 0.2)
    for _ in range(64):
        times.add(1, 1, 0.002)
    assert times.at_once(1) == 0.001


@pytest.mark.parametrize("in_the_loop", [True, False])
def test_a_size_that_once_took_long_is_not_computed_in_the_loop_before_it_was_short_for_long(
    *, in_the_loop: bool
) -> None:
    times = ServiceTimes()
    for _ in range(3):
        times.add(1, 1, 1e-4)
    assert times.at_once(1) is not None
    if in_the_loop:
        times.add_at_once(1, 1.0)
    else:
        times.add(1, 1, 1.0)
    for _ in range(64):
        assert times.at_once(1) is None
        times.add(1, 1, 1e-4)
    assert times.at_once(1) is not None


@pytest.mark.parametrize(
    ("seconds_per_row", "jobs", "rows", "most"),
    [
        ({}, 9, 1, 1),  # nothing is known
        ({1: 1.0}, 9, 1, 4),  # as many one after the other take no longer: 4 of 1 s, of 9, 8 and 4
        ({1: 1.0}, 4, 1, 4),
        ({1: 1.0}, 3, 2, 1),  # of two rows nothing is known
        ({1: 6.0}, 9, 1, 1),
        ({1: 1.0, 16: 0.3}, 9, 1, 9),  # 9 rows of 0.3 s
        ({1: 1.0, 16: 0.3, 64: 0.3}, 33, 1, 16),  # 33 would take 9.9 s, 16 take 4.8
        ({2: 0.5, 8: 0.5}, 8, 2, 4),
        ({32: 0.1}, 32, 1, 32),  # calls that always come together
        ({32: 0.1}, 8, 1, 1),
    ],
)
def test_as_many_jobs_are_made_one_as_take_no_longer_than_they_may(
    seconds_per_row: dict[int, float], jobs: int, rows: int, most: int
) -> None:
    assert learnt(seconds_per_row).most_at_once(rows, jobs, 5.0) == most


def test_what_several_take_is_learnt_where_they_are_computed() -> None:
    times = learnt({1: 0.001})
    assert times.most_at_once(1, 32, 0.005) == 4
    times.add_at_once(4, 0.0012)
    assert times.at_once(4) == pytest.approx(0.0012)
    times.add_at_once(32, 0.0048)
    assert times.most_at_once(1, 32, 0.005) == 32
    assert times.most_at_once(1, 32, 0.004) == 4
