"""Loads that take what nobody else wants, and that are not left waiting for ever."""

import os
import threading
from pathlib import Path

import pytest

from serving.cores import available_cores
from serving.engines.options import EngineOptions
from serving.isolation import leisure
from serving.isolation.engine import Ended, IsolatedEngine
from serving.isolation.leisure import StarvedError, go_quietly, keep_to_one_core, leisurely
from serving.isolation.loader import IsolatingLoader, starter
from serving.isolation.order import Order
from serving.isolation.process import HostProcess
from tests.serving.isolation.hosts import hosts_of

WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp" / "1"


def how_it_runs() -> tuple[int, int]:
    return os.sched_getscheduler(0), len(os.sched_getaffinity(0))


def test_any_other_thread_goes_before_it_and_it_has_one_core() -> None:
    before = how_it_runs()
    assert leisurely(how_it_runs) == (os.SCHED_IDLE, 1)
    assert how_it_runs() == before


def test_what_ends_goes_last_on_one_core() -> None:
    found: list[tuple[int, int]] = []

    def end() -> None:
        go_quietly()
        found.append((os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), len(os.sched_getaffinity(0))))

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    assert found == [(19, 1)]


def test_what_it_finds_out_holds_for_all_cores_of_the_process() -> None:
    assert leisurely(available_cores) == available_cores() == len(os.sched_getaffinity(0))


def test_it_does_not_wait_for_a_processor_that_others_never_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leisure, "_LOOK_SECONDS", 1e-3)
    waited = iter(range(100))
    monkeypatch.setattr(leisure, "seconds_waited", lambda _: float(next(waited)))  # all of the time
    over = threading.Event()
    with pytest.raises(StarvedError, match="no processor for 1 s"):
        leisurely(lambda: over.wait(60))
    over.set()


def test_it_waits_for_a_disk_as_long_as_that_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leisure, "_LOOK_SECONDS", 1e-3)
    looks = threading.Semaphore(0)

    def seconds_waited(_: int) -> float:
        looks.release()
        return 0.0  # never ready to run

    monkeypatch.setattr(leisure, "seconds_waited", seconds_waited)
    assert leisurely(lambda: [looks.acquire() for _ in range(5)]) == [True] * 5


def test_how_long_a_thread_waited_is_what_the_operating_system_says() -> None:
    waited: list[float] = []

    def compute() -> None:
        """Share a core with a process that computes too, until that has ended."""
        keep_to_one_core()
        this = threading.get_native_id()
        waited.append(leisure.seconds_waited(this))
        count = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
        other = os.posix_spawn("/bin/sh", ["sh", "-c", count], os.environ)
        while os.waitpid(other, os.WNOHANG) == (0, 0):
            sum(range(10_000))
        waited.append(leisure.seconds_waited(this))

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    before, after = waited
    assert after > before + 0.01
    assert leisure.seconds_waited(0) == 0


def test_a_starved_load_is_done_anew_at_the_usual_priority(caplog: pytest.LogCaptureFixture) -> None:
    order = Order(str(WINE), EngineOptions(prefer_tflite=True), log_level=20)
    asked: list[bool] = []

    class Starved(HostProcess):
        def await_loaded(self) -> dict[str, object]:
            raise StarvedError("others left it no processor for 5 s")

    def start(ended: Ended, yields: bool) -> HostProcess:  # noqa: FBT001
        asked.append(yields)
        return Starved(order, ended) if yields else HostProcess(order, ended)

    before = hosts_of(os.getpid())
    engine = IsolatedEngine("wine_mlp version 1", start)
    engine.load()
    assert asked == [True, False]
    assert "wine_mlp version 1 is loaded anew, at the usual priority: others left it no processor" in caplog.text
    assert len(hosts_of(os.getpid()) - before) == 1
    engine.close()
    assert hosts_of(os.getpid()) == before


@pytest.mark.parametrize("starved", ["the import", "the load"])
def test_a_process_that_is_starved_says_so_by_its_end(
    starved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it imports, it can do nothing else: not even import what it would say so with."""
    (tmp_path / "sitecustomize.py").write_text(
        f"""
from serving.isolation import leisure

kept, at = leisure.leisurely, iter(["the import", "the load"])

def leisurely(work):
    if next(at) == {starved!r}:
        raise leisure.StarvedError("others left it no processor for 5 s")
    return kept(work)

leisure.leisurely = leisurely
"""
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[3]}")
    order = Order(str(WINE), EngineOptions(prefer_tflite=True), log_level=20, yields=True)
    process = HostProcess(order, lambda _: None)
    with pytest.raises(StarvedError, match="others left it no processor"):
        process.await_loaded()
    process.close()


def test_calls_are_answered_by_threads_of_the_usual_priority_on_all_cores() -> None:
    starter()
    before = hosts_of(os.getpid())
    engine = IsolatingLoader(EngineOptions(prefer_tflite=True), over_bytes=0)(WINE)
    (host,) = hosts_of(os.getpid()) - before
    assert os.sched_getaffinity(host) == os.sched_getaffinity(0)
    assert os.sched_getscheduler(host) == os.sched_getscheduler(0)
    engine.close()
