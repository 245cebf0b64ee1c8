"""`zoo serve --workers`: real processes that share a port, seen from outside as one server."""

import hashlib
import json
import os
import re
import select
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest

import serving
from serving.call_error import CallError
from serving.client import Client
from serving.config import ServerConfig
from serving.protos import config_pb2, inference_pb2
from serving.protos import prediction_pb2 as pb
from serving.remote_control import RemoteControl
from serving.status import ServerError
from serving.text_proto import parse_text
from serving.wire import HANDLE_RELOAD_CONFIG, HEALTH_CHECK, MODEL_STATISTICS
from serving.workers.ports import held_ports
from tests.serving.workers.running import Running, install

TOKEN = "the operator's"
OPERATOR = (("authorization", f"Bearer {TOKEN}"),)
TIMEOUT = 30.0
WINE = {"inputs": np.zeros((3, 13), np.float32)}


def config_of(root: Path, *names: str) -> str:
    entries = "".join(
        f"config {{ name: '{name}' base_path: '{root}/{name}' model_platform: 'tensorflow' }}\n" for name in names
    )
    return f"model_config_list {{ {entries} }}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`wine` in two versions, `copy` of it and `slow`; a config of all but the copy; and who may do what."""
    root = tmp_path_factory.mktemp("workers")
    for model, version in (("wine", 1), ("wine", 2), ("copy", 1)):
        install("wine_mlp", root / model / str(version))
    install("co2_transformer", root / "slow" / "1")
    (root / "models.config").write_text(config_of(root, "wine", "slow"))
    operator, drinker = (hashlib.sha256(token.encode()).hexdigest() for token in (TOKEN, "of wine"))
    (root / "access.yaml").write_text(
        f"clients: [{{name: operator, token_sha256: {operator}, models: ['*'], control: true}},\n"
        f"          {{name: drinker, token_sha256: {drinker}, models: [wine]}}]\n"
        "anonymous: {models: ['*']}\n"
    )
    return root


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    """Two workers. Every test leaves the models served as the config has them."""
    started = Running(
        f"--model_config_file={folder / 'models.config'}", "--model_config_file_poll_wait_seconds=0.05",
        "--prefer_tflite_model", f"--access_file={folder / 'access.yaml'}",
        f"--request_log_dir={folder / 'log'}", "--request_log_rate=1",
        token=TOKEN,
    )  # fmt: skip
    yield started
    started.clean_up()


@pytest.fixture
def control(running: Running) -> Iterator[RemoteControl]:
    with Client(running.target, token=TOKEN) as client:
        yield RemoteControl(client)


def live(running: Running, model: str = "wine") -> dict[int, list[str]]:
    """Return the versions of a model that answer, by worker."""

    def read(body: str) -> list[str]:
        lines = json.loads(body).get("model_version_status", [])
        return [line["version"] for line in lines if line["state"] == "AVAILABLE"]

    return running.of_every_worker(f"/v1/models/{model}", read)


def reload(running: Running, config: str) -> None:
    request = pb.ReloadConfigRequest(config=parse_text(config, config_pb2.ModelServerConfig))
    with running.channel() as channel:
        call = channel.unary_unary(HANDLE_RELOAD_CONFIG)
        call(request.SerializeToString(), timeout=TIMEOUT, metadata=OPERATOR)


def connections_to_both(running: Running, stack: ExitStack) -> dict[int, grpc.Channel]:
    """Open connections of gRPC until there is one to each worker."""
    found: dict[int, grpc.Channel] = {}
    while len(found) < 2:
        channel = stack.enter_context(running.channel())
        _, call = channel.unary_unary(HEALTH_CHECK).with_call(b"", timeout=TIMEOUT)
        found[int(dict(call.trailing_metadata())["zoo-worker"])] = channel
    return found


def test_workers_are_processes_on_cores_of_their_own_with_memory_that_is_kept(running: Running) -> None:
    pids = running.pids()
    assert sorted(pids) == [0, 1]
    cores = [os.sched_getaffinity(pid) for pid in pids.values()]
    assert set.union(*cores) <= os.sched_getaffinity(0)
    if len(os.sched_getaffinity(0)) > 1:
        assert not set.intersection(*cores)
    for pid in pids.values():
        environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
        assert "MALLOC_MMAP_THRESHOLD_=33554432" in environment


def test_calls_and_inferences_are_summed_whichever_worker_answered(running: Running) -> None:
    method = {"method": "GET /v1/models/{model}", "code": "OK"}

    def requests() -> float:
        return running.total("zoo_requests_total", **method)

    def rows() -> int:
        with running.channel() as channel:
            request = inference_pb2.ModelStatisticsRequest(name="wine")
            answer = channel.unary_unary(MODEL_STATISTICS)(request.SerializeToString(), timeout=TIMEOUT)
        (found,) = inference_pb2.ModelStatisticsResponse.FromString(answer).model_stats
        assert sum(batch.batch_size * batch.compute_infer.count for batch in found.batch_stats) == found.inference_count
        return int(found.inference_count)

    before, rows_before = requests(), rows()
    for _ in range(20):
        running.ask("/v1/models/wine")
        status, body = running.ask(
            "/v1/models/wine:predict", json.dumps({"inputs": WINE["inputs"].tolist()}), verb="POST"
        )
        assert status == 200, body
    assert requests() - before == 20
    assert rows() - rows_before == 60
    with ExitStack() as stack:
        assert len(connections_to_both(running, stack)) == 2
    (buckets,) = [
        value
        for said, value in running.samples("zoo_request_seconds_bucket", method=method["method"])
        if said["le"] == "+Inf"
    ]
    assert buckets == requests()


def test_metrics_of_all_workers_tell_a_caller_of_its_own_models(running: Running) -> None:
    running.ask("/v1/models/slow:predict", json.dumps({"inputs": np.zeros((1, 104, 1)).tolist()}), verb="POST")
    assert {said["model"] for said, _ in running.samples("zoo_model_version_live")} == {"wine", "slow"}
    status, page = running.ask("/metrics", authorization="Bearer of wine")
    assert status == 200
    assert 'model="wine"' in page
    assert "slow" not in page


def test_what_is_promoted_is_so_in_all_workers_and_in_one_that_takes_anothers_place(
    running: Running, control: RemoteControl
) -> None:
    assert live(running) == {0: ["2"], 1: ["2"]}
    control.promote("wine", 1, timeout=TIMEOUT)
    assert live(running) == {0: ["1"], 1: ["1"]}
    counted, pids = running.total("zoo_requests_total"), running.pids()
    with ExitStack() as stack:
        channel = connections_to_both(running, stack)[0]
        running.kill(1)
        for _ in running.log_until("worker 1 was killed by SIGKILL", "worker 1: listening on"):
            channel.unary_unary(HEALTH_CHECK)(b"", timeout=TIMEOUT)
    assert live(running) == {0: ["1"], 1: ["1"]}
    assert running.total("zoo_requests_total") >= counted, "sums do not fall"
    assert [worker for worker, pid in running.pids().items() if pid != pids[worker]] == [1]
    control.load("wine", timeout=TIMEOUT)
    assert live(running) == {0: ["2"], 1: ["2"]}


def test_what_a_caller_or_a_file_configures_concerns_all_workers_and_those_to_come(
    running: Running, folder: Path
) -> None:
    reload(running, config_of(folder, "copy"))
    assert live(running, "copy") == {0: ["1"], 1: ["1"]}
    assert live(running, "wine") == {0: [], 1: []}
    running.replace(0)
    assert live(running, "copy") == {0: ["1"], 1: ["1"]}
    assert live(running, "wine") == {0: [], 1: []}
    (folder / "models.config").write_text(config_of(folder, "wine", "slow") + "# again")
    while live(running, "copy") != {0: [], 1: []}:
        pass
    running.replace(1)
    assert live(running, "wine") == {0: ["2"], 1: ["2"]}
    assert live(running, "copy") == {0: [], 1: []}


def test_what_cannot_be_done_is_told_as_by_one_server(running: Running, control: RemoteControl) -> None:
    with pytest.raises(CallError) as caught:
        control.promote("wine", 9, timeout=TIMEOUT)
    assert caught.value.details.startswith("load failed for model 'wine': ")
    with Client(running.target) as anonymous, pytest.raises(CallError, match="PERMISSION_DENIED: an anonymous caller"):
        RemoteControl(anonymous).unload("wine", timeout=TIMEOUT)
    assert live(running) == {0: ["2"], 1: ["2"]}


def test_every_worker_records_requests_in_files_of_its_own(running: Running, folder: Path) -> None:
    names = [path.name for path in (folder / "log").iterdir()]
    assert {re.fullmatch(r"requests-(\d)-\d{20}\.tfrecord", name)[1] for name in names} == {"0", "1"}  # type: ignore[index]


def test_nobody_else_gets_the_port(running: Running, folder: Path) -> None:
    for taken in (
        ServerConfig(port=running.grpc, workers=2),
        ServerConfig(port=0, rest_api_port=running.rest, workers=2),
    ):
        with pytest.raises(ServerError, match="is the port in use"), held_ports(taken):
            pass
    with pytest.raises(ServerError, match="is the port in use"):
        serving.Server(folder, port=running.grpc, prefer_tflite_model=True).start()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", running.grpc))


def test_workers_end_with_a_supervisor_that_was_killed(folder: Path) -> None:
    running = Running(folder, "--prefer_tflite_model", "--versions=1", workers=1)
    (pid,) = running.pids().values()
    descriptor = os.pidfd_open(pid)
    running.process.kill()
    _, log = running.ended()  # the worker has standard error open until it ends
    assert "the supervisor is gone" in log
    assert select.select([descriptor], [], [], TIMEOUT)[0], "it ends"
    os.close(descriptor)


@pytest.mark.exhaustive
def test_a_worker_that_cannot_be_started_again_ends_all_with_the_reason(folder: Path, tmp_path: Path) -> None:
    access = tmp_path / "access.yaml"
    access.write_text("anonymous: {models: ['*']}")
    running = Running(folder, "--prefer_tflite_model", "--versions=1", f"--access_file={access}", workers=1)
    (pid,) = re.findall(r"worker 0 is process (\d+)", running.log)
    access.write_text("anonymous: {models: 7}")
    os.kill(int(pid), signal.SIGKILL)
    code, log = running.ended()
    assert code == 2
    assert log.splitlines()[-1].startswith(f"zoo: error: {access}: anonymous.models:")
    assert log.count("is process") == 4, "the first, and three more"


def test_a_worker_that_cannot_start_ends_all_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"zoo: error: .*nowhere does not exist"):
        Running(tmp_path / "nowhere", "--prefer_tflite_model", workers=1)


def test_one_server_in_a_program_is_one_process(folder: Path) -> None:
    with pytest.raises(ServerError, match="workers 2: this is one process"):
        serving.Server(folder, workers=2)


def test_the_end_comes_after_what_is_in_flight_and_is_0(running: Running) -> None:
    with Client(running.target) as client, ThreadPoolExecutor(1) as pool:
        client.predict("slow", np.zeros((1, 104, 1), np.float32), timeout=TIMEOUT)
        slow = pool.submit(client.predict, "slow", {"inputs": np.zeros((400, 104, 1), np.float32)}, timeout=TIMEOUT)
        while not slow.running():
            pass
        for _ in range(20):  # behind the slow one on the same connection: by then that has arrived
            client.health(timeout=TIMEOUT)
        assert not slow.done()
        code, log = running.terminate()
        assert {len(array) for array in slow.result(TIMEOUT).values()} == {400}
    assert code == 0, log
    for worker in (0, 1):
        assert f"worker {worker}: draining" in log
