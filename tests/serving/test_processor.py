"""Whether others want the processor: made-up usage, and Linux's own, against what Python counts."""

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from serving import processor
from serving.processor import Processor, Usage, read_load, read_usage

THIS, THERE, NEW = threading.get_native_id(), 1, 2


def usage(moment: float, everyone: float, **threads: float) -> Usage:
    """Of two cores."""
    names = {"this": THIS, "there": THERE, "new": NEW}
    told = {names[name]: seconds for name, seconds in threads.items()}
    return Usage(100 + moment, 2, 5000 + everyone, sum(told.values()), told)


BEGUN = usage(0, 0, this=7, there=30)


def was_disturbed(*told: Usage | None, load: float | None = None, whole_process: bool = False) -> bool:
    """Watch from the first to the second."""
    told_in_turn = iter(told)
    watched = Processor(lambda: next(told_in_turn), lambda: load).watch(whole_process=whole_process)
    return watched.was_disturbed()


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (usage(10, 10, this=17, there=30), False),  # one core, all of it by this thread
        (usage(10, 20, this=17, new=10, there=30), False),  # by threads that it started
        (usage(10, 18, this=17, there=30), True),  # 8 of 20 s by other processes
        (usage(10, 18, this=17, there=38), True),  # 8 of 20 s by what this process did before
        (usage(10, 11, this=17, there=30), False),  # 1 of 20 s by others: there is always something
        (usage(10, 0, this=17, there=30), False),  # a sandbox that tells nothing of the machine
    ],
)
def test_others_are_who_neither_is_timed_nor_was_started_by_it(ended: Usage, *, expected: bool) -> None:
    assert was_disturbed(BEGUN, ended) is expected


def test_a_process_that_does_nothing_else_is_none_of_the_others() -> None:
    assert not was_disturbed(BEGUN, usage(10, 18, this=17, there=38), whole_process=True)
    assert was_disturbed(BEGUN, usage(10, 18, this=17, there=30), whole_process=True)


@pytest.mark.parametrize(("load", "expected"), [(0.9, True), (0.1, False), (None, False)])
def test_where_usage_is_not_told_the_load_counts_and_nobody_where_that_is_not_told_either(
    load: float | None, *, expected: bool
) -> None:
    assert was_disturbed(None, None, load=load) is expected
    assert was_disturbed(BEGUN, None, load=load) is expected


@pytest.mark.parametrize(("there", "expected"), [(30.0, False), (30.2, True)])
def test_the_processor_is_busy_where_others_use_it_for_a_moment(there: float, *, expected: bool) -> None:
    waited: list[float] = []
    told = iter((BEGUN, usage(0.2, there - 30, this=7, there=there)))
    assert Processor(lambda: next(told), lambda: None, waited.append).is_busy() is expected
    assert waited == [0.2]


def test_linux_tells_the_time_of_a_thread_as_python_counts_it() -> None:
    begun, until = read_usage(), time.thread_time() + 0.3
    while time.thread_time() < until:
        pass
    ended = read_usage()
    assert begun is not None
    assert ended is not None
    used = ended.threads[threading.get_native_id()] - begun.threads[threading.get_native_id()]
    assert used == pytest.approx(0.3, abs=0.03)
    assert ended.process - begun.process > 0.29
    assert ended.everyone - begun.everyone > 0.15
    assert ended.cores == len(os.sched_getaffinity(0))


def test_only_cores_that_this_process_may_use_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """User, nice, system, idle, iowait, irq, softirq, steal, guest and guest_nice, in hundredths of a second."""
    (tmp_path / "stat").write_text(
        "cpu  999 999 999 999 999 999 999 999 0 0\n"
        "cpu0 100 200 300 77 77 10 20 30 5 5\n"
        "cpu1 900 900 900 900 900 900 900 900 9 9\n"
        "cpu2 1 2 3 77 77 0 0 0 0 0\n"
        "intr 4 5 6\n"
    )
    sizes: Mapping[str, int] = {"SC_CLK_TCK": 100}
    monkeypatch.setattr(processor, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    monkeypatch.setattr(os, "sysconf", sizes.get)
    found = read_usage()
    assert found is not None
    assert (found.cores, found.everyone) == (2, pytest.approx(6.66))


def test_another_system_tells_its_load_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 9.0, 9.0), raising=False)
    assert read_usage() is None
    assert read_load() == 0.75
    monkeypatch.delattr(os, "getloadavg")
    assert read_load() is None
