"""How often a worker is started again."""

from serving.workers.restarts import Restarts


def test_one_that_keeps_ending_is_started_ever_more_slowly() -> None:
    restarts = Restarts()
    pauses = [restarts.pause_after(1.0) for _ in range(9)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)  # type: ignore[type-var]
    assert pauses[-2:] == [10.0, 10.0]


def test_one_that_served_long_is_started_at_once() -> None:
    restarts = Restarts()
    assert [restarts.pause_after(served) for served in (1.0, 1.0, 3600.0)][-1] == 0


def test_one_that_does_not_start_is_given_up() -> None:
    restarts = Restarts()
    assert restarts.pause_after(5.0) is not None
    assert [restarts.pause_after(None) is None for _ in range(3)] == [False, False, True]
    restarts = Restarts()
    assert [restarts.pause_after(served) is None for served in (None, None, 1.0, None, None)] == [False] * 5
