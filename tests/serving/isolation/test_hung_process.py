"""A process of a version that is stopped answers no more: it is killed and replaced; one that computes for long is not."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.engines.options import EngineOptions
from serving.isolation import heartbeat
from serving.isolation.engine import IsolatedEngine
from serving.isolation.loader import IsolatingLoader
from serving.status import Code, ServerError, StatusError
from tests.serving.isolation.hosts import await_end, exists, hosts_of
from tests.spinning import spin_function

WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp" / "1"
ROW = {"inputs": np.zeros((1, 13), np.float32)}
Arrays = dict[str, np.ndarray]
HUNG = "wine_mlp version 1 hung, without a sign of life for .* and was killed; another is started"


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 0.1)


@pytest.fixture
def _looks_and_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "MOST_MISSED", 1 << 30)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def engine() -> Iterator[IsolatedEngine]:
    loaded = isolated(WINE)
    yield loaded
    loaded.close()
    assert not own_hosts()


def isolated(version: Path) -> IsolatedEngine:
    loaded = IsolatingLoader(EngineOptions(prefer_tflite=True), over_bytes=0)(version)
    assert isinstance(loaded, IsolatedEngine)
    return loaded


def own_hosts() -> set[int]:
    return hosts_of(os.getpid())


def stop_its_process() -> int:
    (process,) = own_hosts()
    os.kill(process, signal.SIGSTOP)
    return process


def answer_in_the_end(engine: IsolatedEngine) -> Arrays:
    while True:
        try:
            return engine.run("serving_default", ROW)
        except StatusError as error:
            if error.code is not Code.UNAVAILABLE:
                raise


@pytest.mark.parametrize("rows", [1, 200_000], ids=["small", "more than a socket takes"])
def test_every_caller_is_told_to_ask_again_and_another_process_answers(
    engine: IsolatedEngine, pool: ThreadPoolExecutor, rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    expected = engine.run("serving_default", ROW)
    stopped = stop_its_process()
    inputs = {"inputs": np.zeros((rows, 13), np.float32)}
    calls: list[Future[Arrays]] = [pool.submit(engine.run, "serving_default", inputs) for _ in range(4)]
    for call in calls:
        with pytest.raises(StatusError, match=HUNG) as told:
            call.result()
        assert (told.value.code, bool(told.value.retry_after)) == (Code.UNAVAILABLE, True)
    again = answer_in_the_end(engine)
    assert all(again[name].tobytes() == expected[name].tobytes() for name in expected)
    assert not exists(stopped)
    assert caplog.text.count("was killed: another starts now") == 1


@pytest.mark.usefixtures("_looks_and_does_nothing")
def test_one_that_goes_on_before_answers_itself(engine: IsolatedEngine, pool: ThreadPoolExecutor) -> None:
    stopped = stop_its_process()
    calls = [pool.submit(engine.run, "serving_default", ROW) for _ in range(4)]
    while not all(call.running() for call in calls):
        pass
    os.kill(stopped, signal.SIGCONT)
    assert all(call.result()["probabilities"].shape == (1, 3) for call in calls)
    assert own_hosts() == {stopped}


def test_one_that_computes_for_many_looks_is_left_alone(tmp_path: Path) -> None:
    version = tmp_path / "spin" / "1"
    tf.saved_model.save(tf.Module(), str(version), signatures=spin_function())
    engine = isolated(version)
    try:
        before = own_hosts()
        times = 500
        while not engine_took_many_looks(engine, times):
            times *= 2
        assert own_hosts() == before
    finally:
        engine.close()


def engine_took_many_looks(engine: IsolatedEngine, times: int) -> bool:
    began = os.times().elapsed
    assert engine.run("serving_default", {"times": np.array([times])})["one"].tolist() == [1.0]
    return os.times().elapsed - began > 2 * heartbeat.LOOK_SECONDS * heartbeat.MOST_MISSED


def test_a_load_that_hangs_fails(pool: ThreadPoolExecutor) -> None:
    load = pool.submit(isolated, WINE)
    while not own_hosts():
        assert not load.done()
    stopped = stop_its_process()
    with pytest.raises(ServerError, match="the process that loads it hung, without a sign of life"):
        load.result()
    assert await_end(stopped)
