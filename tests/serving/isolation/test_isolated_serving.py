"""A server whose models have processes of their own: what becomes of these, and what clients see of it."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import serving
from serving.client import CallError
from serving.engines.options import EngineOptions
from serving.isolation.loader import IsolatingLoader
from serving.remote_control import RemoteControl
from serving.tflite_file import TFLITE_FILE
from tests.serving.isolation.hosts import await_end, exists, hosts_of
from tests.spinning import spin_function

ROOT = Path(__file__).parents[3]
WINE = {"inputs": np.zeros((1, 13), np.float32)}
SPIN = "spin"
ENDED = "UNAVAILABLE: .*the process that runs {} version 1 was ended by {}"
Answer = dict[str, np.ndarray]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """`small` in this process and `large` in one of its own: the same artifact, and a file that nobody reads."""
    root = tmp_path / "models"
    for name in ("small", "large"):
        (root / name / "1").mkdir(parents=True)
        shutil.copy(ROOT / "saved_models" / "wine_mlp" / "1" / TFLITE_FILE, root / name / "1")
    (root / "large" / "1" / "ballast").write_bytes(bytes(1 << 20))
    return root


@pytest.fixture
def server(models: Path) -> Iterator[serving.Server]:
    with serving.Server(models, port=0, poll_seconds=0, isolate_models_over_mb=1) as running:
        yield running


@pytest.fixture
def client(server: serving.Server) -> Iterator[serving.Client]:
    with serving.Client(f"localhost:{server.port}") as connected:
        yield connected


def own_hosts() -> set[int]:
    return hosts_of(os.getpid())


def answer_in_the_end(ask: Callable[[], Answer]) -> Answer:
    """Ask until there is an answer; another error than UNAVAILABLE is one."""
    while True:
        try:
            return ask()
        except CallError as error:
            if error.code != "UNAVAILABLE":
                raise


def test_large_versions_have_processes_of_their_own_and_answer_the_same(client: serving.Client) -> None:
    assert len(own_hosts()) == 1
    small, large = (client.predict(name, WINE, timeout=60) for name in ("small", "large"))
    assert small.keys() == large.keys()
    assert all(small[name].tobytes() == large[name].tobytes() for name in small)


def test_a_killed_process_is_replaced_while_other_models_answer(client: serving.Client) -> None:
    (killed,) = own_hosts()
    over = threading.Event()

    def keep_asking() -> int:
        count = 0
        while not over.is_set():
            client.predict("small", WINE, timeout=60)
            count += 1
        return count

    expected = client.predict("large", WINE, timeout=60)
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        stack.callback(over.set)
        others = pool.submit(keep_asking)
        os.kill(killed, signal.SIGKILL)
        assert await_end(killed)
        with pytest.raises(CallError, match=ENDED.format("large", "SIGKILL")):
            client.predict("large", WINE, timeout=60)
        got = answer_in_the_end(lambda: client.predict("large", WINE, timeout=60))
    assert others.result() > 0
    assert all(got[name].tobytes() == expected[name].tobytes() for name in expected)
    assert own_hosts() != {killed}


def test_loads_and_unloads_leave_neither_processes_nor_descriptors(client: serving.Client) -> None:
    control = RemoteControl(client)
    seen = set()

    def cycle() -> int:
        control.unload("large", timeout=60)
        assert not own_hosts()
        control.load("large", timeout=60)
        client.predict("large", WINE, timeout=60)
        seen.update(own_hosts())
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names of what may be gone when it is looked at

    cycle()
    before = cycle()
    assert [cycle() for _ in range(8)][-1] <= before
    assert len(seen) == 10
    assert sum(map(exists, seen)) == 1


def test_a_version_that_its_process_cannot_load_is_an_error_as_any_other(
    client: serving.Client, models: Path, server: serving.Server
) -> None:
    (models / "large" / "2").mkdir()
    (models / "large" / "2" / TFLITE_FILE).write_bytes(bytes(1 << 20))
    before = own_hosts()
    server.refresh()
    (first, second) = sorted(client.versions("large", timeout=60), key=lambda each: each.version)
    assert (first.state, second.state) == ("AVAILABLE", "END")
    assert "is not a model.tflite" in second.error or TFLITE_FILE in second.error
    assert own_hosts() == before


def test_a_new_version_takes_the_old_ones_place_and_gives_it_back(
    client: serving.Client, models: Path, server: serving.Server
) -> None:
    (first,) = own_hosts()
    client.predict("large", WINE, timeout=60)  # what the new version has to answer before it goes live
    shutil.copytree(models / "large" / "1", models / "large" / ".2")
    (models / "large" / ".2").rename(models / "large" / "2")
    server.refresh()
    assert RemoteControl(client).rollback("large", timeout=60) == 1
    (third,) = own_hosts()
    assert third != first
    assert not exists(first)
    assert client.predict("large", WINE, timeout=60).keys()


def test_a_memory_budget_counts_the_processes(models: Path) -> None:
    loader, alone = IsolatingLoader(EngineOptions(), over_bytes=0), EngineOptions().loader()
    version = models / "small" / "1"
    own = loader.memory_bytes(version) - alone.memory_bytes(version)
    assert own >= 16 << 20
    budget = (loader.memory_bytes(version) >> 20) + 1  # of one of them
    with (
        serving.Server(models, port=0, poll_seconds=0, isolate_models_over_mb=0, memory_budget_mb=budget) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        assert not own_hosts()
        for name in ("small", "large", "small"):
            client.predict(name, WINE, timeout=60)
            assert len(own_hosts()) == 1


@contextlib.contextmanager
def zoo_serve(models: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    command = [sys.executable, "-m", "zoo", "serve", str(models), "--host=127.0.0.1", "--port=0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
    try:
        assert process.stdout is not None
        found = re.search(r"on port (\d+)", process.stdout.readline())
        assert found is not None
        yield process, int(found[1])
    finally:
        process.kill()
        process.communicate()


def test_a_server_that_is_killed_leaves_no_process(models: Path) -> None:
    with zoo_serve(models, "--isolate_models_over_mb=0") as (process, _):
        hosts = hosts_of(process.pid)
        assert len(hosts) == 2
        process.kill()
        assert all(map(await_end, hosts))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_drains_what_is_in_flight(spinning: Path, number: signal.Signals) -> None:
    with (
        zoo_serve(spinning, "--isolate_models_over_mb=0", "--engine=saved_model") as (process, port),
        serving.Client(f"localhost:{port}") as client,
        ThreadPoolExecutor(1) as pool,
    ):
        hosts = hosts_of(process.pid)
        client.predict(SPIN, {"times": np.array([1])}, timeout=60)
        slow = pool.submit(client.predict, SPIN, {"times": np.array([3_000])}, timeout=60)
        while not slow.running():
            pass
        for _ in range(20):  # calls behind the slow one on the same connection: by then it has arrived
            client.signatures(SPIN, timeout=60)
        for each in (process.pid, *hosts):
            os.kill(each, number)
        assert slow.result()["one"].tolist() == [1.0]
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
        assert "draining" in log
        assert "was ended" not in log
        assert not any(map(exists, hosts))


@pytest.fixture(scope="module")
def spinning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes as long as it is told to."""
    import tensorflow as tf

    root = tmp_path_factory.mktemp("spinning")
    tf.saved_model.save(tf.Module(), str(root / SPIN / "1"), signatures=spin_function())
    return root


def test_a_call_in_flight_learns_of_the_end(spinning: Path) -> None:
    with (
        serving.Server(spinning, port=0, poll_seconds=0, isolate_models_over_mb=0) as server,
        serving.Client(f"localhost:{server.port}") as client,
        ThreadPoolExecutor(1) as pool,
    ):
        client.predict(SPIN, {"times": np.array([1])}, timeout=60)
        slow = pool.submit(client.predict, SPIN, {"times": np.array([1_000_000])}, timeout=300)
        while not slow.running():
            pass
        for _ in range(20):
            client.signatures(SPIN, timeout=60)
        (host,) = own_hosts()
        os.kill(host, signal.SIGABRT)  # as TensorFlow ends the process on some inputs
        with pytest.raises(CallError, match=ENDED.format(SPIN, "SIGABRT")):
            slow.result()
        one = answer_in_the_end(lambda: client.predict(SPIN, {"times": np.array([1])}, timeout=60))
        assert one["one"].tolist() == [1.0]


def test_an_event_loop_never_waits_for_a_process(client: serving.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.isolation.process import HostProcess

    threads, call = set(), HostProcess.call

    def note(self: HostProcess, *arguments: object) -> object:
        threads.add(threading.current_thread().name)
        return call(self, *arguments)

    monkeypatch.setattr(HostProcess, "call", note)
    for _ in range(200):  # as often as the scheduler needs to know that a model is quick
        client.predict("large", WINE, timeout=60)
    assert threads
    assert all(name.startswith("zoo-compute") for name in threads)
