"""The server as a whole: its life, and what it does under load."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import serving
from serving.interceptors import Interceptor
from serving.protos import prediction_pb2 as pb
from serving.protos import tensor_pb2
from serving.transports.transport import Call, UnaryHandler
from serving.wire import PREDICT

Install = Callable[[str, str, int], Path]


class GateEngine:
    """Answers only once it is let; tells when it began."""

    def __init__(self, version: Path) -> None:
        self.version = float(version.name)
        self.began = threading.Semaphore(0)
        self.gate = threading.Event()
        self.runs = 0

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.runs += 1
        self.began.release()
        self.gate.wait(30)
        return {"y": np.full(len(inputs["x"]), self.version, np.float32)}

    def close(self) -> None:
        self.gate.set()


@pytest.fixture
def gates() -> dict[int, GateEngine]:
    return {}


@pytest.fixture
def gated(install: Install, tmp_path: Path, gates: dict[int, GateEngine]) -> Callable[..., serving.Server]:
    """A server whose engines wait to be let through."""
    install("affine2", "m", 1)

    def load(path: Path) -> GateEngine:
        gates[int(path.name)] = GateEngine(path)
        return gates[int(path.name)]

    def make(**fields: object) -> serving.Server:
        return serving.Server(tmp_path / "models", port=0, poll_seconds=0, load_engine=load, **fields)

    return make


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def ask(client: serving.Client, timeout: float = 30.0) -> float:
    return float(client.predict("m", {"x": np.zeros(1, np.float32)}, timeout=timeout)["y"][0])


def test_a_request_in_flight_keeps_its_version_while_a_new_one_takes_over(
    gated: Callable[..., serving.Server], gates: dict[int, GateEngine], install: Install, pool: ThreadPoolExecutor
) -> None:
    with gated() as server, serving.Client(f"localhost:{server.port}") as client:
        old = pool.submit(ask, client)
        assert gates[1].began.acquire(timeout=30)
        install("affine2", "m", 2)
        server.refresh()
        gates[2].gate.set()
        assert ask(client) == 2.0
        assert not old.done()
        gates[1].gate.set()
        assert old.result(30) == 1.0


def test_stopping_waits_for_what_is_in_flight(
    gated: Callable[..., serving.Server], gates: dict[int, GateEngine], pool: ThreadPoolExecutor
) -> None:
    server = gated().start()
    with (
        serving.Client(f"localhost:{server.port}") as client,
        grpc.insecure_channel(f"localhost:{server.port}") as watcher,
    ):
        health = health_pb2_grpc.HealthStub(watcher).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        running = pool.submit(ask, client)
        assert gates[1].began.acquire(timeout=30)
        stopped = pool.submit(server.stop, 30.0)
        assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not running.done()
        gates[1].gate.set()
        assert running.result(30) == 1.0
        assert stopped.result(30) is True
        with pytest.raises(serving.CallError, match="UNAVAILABLE"):
            ask(client, timeout=5)


def test_what_does_not_finish_within_the_grace_is_told_and_left(
    gated: Callable[..., serving.Server], gates: dict[int, GateEngine], pool: ThreadPoolExecutor
) -> None:
    server = gated().start()
    with serving.Client(f"localhost:{server.port}") as client:
        running = pool.submit(ask, client)
        assert gates[1].began.acquire(timeout=30)
        assert server.stop(grace=0.1) is False
        with pytest.raises(serving.CallError):
            running.result(30)
    gates[1].gate.set()


class Ends(Interceptor):
    """Tells when a call has ended for the server, which may be later than for its client."""

    def __init__(self) -> None:
        self.ended = threading.Semaphore(0)

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
        async def answer(message: bytes, call: Call) -> bytes:
            try:
                return await handler(message, call)
            finally:
                self.ended.release()

        return answer


def test_an_expired_request_is_never_computed(
    gated: Callable[..., serving.Server], gates: dict[int, GateEngine], pool: ThreadPoolExecutor
) -> None:
    ends = Ends()
    with gated(threads=1, interceptors=[ends]) as server, serving.Client(f"localhost:{server.port}") as client:
        first = pool.submit(ask, client)
        assert gates[1].began.acquire(timeout=30)
        with pytest.raises(serving.CallError, match="DEADLINE_EXCEEDED"):
            ask(client, timeout=0.2)  # waits behind the first
        assert ends.ended.acquire(timeout=30)
        gates[1].gate.set()
        assert first.result(30) == 1.0
        assert ask(client) == 1.0
        assert gates[1].runs == 2


def test_calls_that_were_given_up_do_not_spoil_the_end(
    gated: Callable[..., serving.Server], gates: dict[int, GateEngine], pool: ThreadPoolExecutor
) -> None:
    server = gated(threads=1).start()
    with serving.Client(f"localhost:{server.port}") as client:
        with pytest.raises(serving.CallError, match="DEADLINE_EXCEEDED"):
            ask(client, timeout=0.2)
        stopped = pool.submit(server.stop, 30.0)
        gates[1].gate.set()
        assert stopped.result(30) is True


def test_new_requests_are_refused_as_retryable_while_old_ones_finish(
    gated: Callable[..., serving.Server], gates: dict[int, GateEngine], pool: ThreadPoolExecutor
) -> None:
    server = gated().start()
    with serving.Client(f"localhost:{server.port}") as client:
        running = pool.submit(ask, client)
        assert gates[1].began.acquire(timeout=30)
        stopped = pool.submit(server.stop, 30.0)
        codes = []
        while "UNAVAILABLE" not in codes:  # a call may slip in between unhealthy and refusing, and wait like the first
            try:
                ask(client, timeout=0.5)
            except serving.CallError as error:
                codes.append(error.code)
        assert set(codes) <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
        gates[1].gate.set()
        assert running.result(30) == 1.0
        assert stopped.result(30) is True


def test_a_burst_is_answered_or_refused_as_too_much(install: Install, tmp_path: Path) -> None:
    install("affine2", "m", 1)
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="m"))
    request.inputs["x"].dtype = tensor_pb2.DT_FLOAT
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(0)
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0, max_pending=200) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        call = channel.unary_unary(PREDICT)
        futures = [call.future(request.SerializeToString(), timeout=60) for _ in range(2500)]
        codes = {future.code() for future in futures}
    assert grpc.StatusCode.OK in codes
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_a_full_queue_refuses_and_recovers(
    gated: Callable[..., serving.Server], gates: dict[int, GateEngine], pool: ThreadPoolExecutor
) -> None:
    with gated(threads=1, max_pending=1) as server, serving.Client(f"localhost:{server.port}") as client:
        first = pool.submit(ask, client)
        assert gates[1].began.acquire(timeout=30)
        with pytest.raises(serving.CallError, match="RESOURCE_EXHAUSTED"):
            ask(client)
        gates[1].gate.set()
        assert first.result(30) == 1.0
        assert ask(client) == 1.0


def test_nothing_fails_while_versions_change_under_load(
    install: Install, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """Real models and real calls: every answer is that of one whole version."""
    install("affine2", "m", 1)
    done = threading.Event()
    began = threading.Barrier(5)

    def load(target: str) -> list[float]:
        seen = []
        with serving.Client(target) as client:
            seen.append(float(client.predict("m", {"x": np.zeros(1, np.float32)}, timeout=30)["y"][0]))
            began.wait(30)
            while not done.is_set():
                seen.append(float(client.predict("m", {"x": np.zeros(1, np.float32)}, timeout=30)["y"][0]))
        return seen

    with serving.Server(tmp_path / "models", port=0, poll_seconds=0) as server:
        callers = [pool.submit(load, f"localhost:{server.port}") for _ in range(4)]
        began.wait(30)
        with serving.Client(f"localhost:{server.port}") as client:
            for version in range(2, 7):
                install(f"affine{2 + version % 2}", "m", version)
                server.refresh()
                answer = client.predict("m", {"x": np.zeros(1, np.float32)}, timeout=30)["y"]
                assert answer == [2.0 + version % 2]
        done.set()
        answers = [caller.result(60) for caller in callers]
    assert all(seen[0] == 2.0 for seen in answers), "version 1 answered before the first change"
    assert set().union(*answers) == {2.0, 3.0}


def test_new_versions_are_found_by_polling(install: Install, tmp_path: Path) -> None:
    install("affine2", "m", 1)
    changed = threading.Event()
    with serving.Server(tmp_path / "models", port=0, poll_seconds=0.01) as server:
        server.manager.on_change(lambda: changed.set() if server.manager.statuses("m")[0].version == 2 else None)
        install("affine3", "m", 2)
        assert changed.wait(30)


def test_an_empty_repository_waits_for_its_first_model(install: Install, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        with pytest.raises(serving.CallError, match="NOT_FOUND"):
            client.health("m", timeout=20)
        install("affine2", "m", 1)
        server.refresh()
        assert client.health("m", timeout=20) == "SERVING"


def test_a_corrupt_version_is_reported_in_status_and_log(
    install: Install, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install("affine2", "m", 1)
    broken = install("affine3", "m", 2)
    data = broken / "saved_model.pb"
    data.write_bytes(data.read_bytes()[:200])
    with (
        caplog.at_level(logging.ERROR, "serving"),
        serving.Server(tmp_path / "models", port=0, poll_seconds=0) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        found = client.versions("m", timeout=20)
        assert [(line.version, line.state) for line in found] == [(2, "END"), (1, "AVAILABLE")]
        assert "saved_model.pb" in found[0].error
        assert client.predict("m", np.zeros(1, np.float32), timeout=20)["y"] == [2.0]
    assert "cannot load m version 2" in caplog.text


def test_two_servers_live_in_one_process(install: Install, tmp_path: Path, server: serving.Server) -> None:
    install("affine2", "m", 1)
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0) as other,
        serving.Client(f"localhost:{other.port}") as a,
        serving.Client(f"localhost:{server.port}") as b,
    ):
        assert a.predict("m", np.zeros(1, np.float32), timeout=20)["y"] == [2.0]
        assert b.predict("affine", np.zeros(1, np.float32), timeout=20)["y"] == [3.0]


def test_a_port_in_use_is_a_clear_error(server: serving.Server, repository: Path) -> None:
    with pytest.raises(
        serving.ServerError, match=rf":{server.port}: .*is the port in use \(choose another with --port\)"
    ):
        serving.Server(repository, port=server.port, poll_seconds=0).start()


def test_operators_port_in_use_is_refused_by_its_own_flag(server: serving.Server, repository: Path) -> None:
    other = serving.Server(repository, port=0, admin_port=server.port)
    with pytest.raises(serving.ServerError, match=r"is the port in use \(choose another with --admin_port\)"):
        other.start()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"port": -1}, "port -1"),
        ({"threads": 0}, "threads 0"),
        ({"versions": "some"}, "versions 'some'"),
        ({"poll_seconds": -1}, "poll_seconds -1"),
        ({"repository": "nowhere"}, "nowhere does not exist"),
        ({"repository": "nowhere", "model_name": "m"}, "does not exist: give the folder of the model 'm'"),
    ],
)
def test_a_bad_setting_is_refused(repository: Path, fields: dict[str, object], message: str) -> None:
    with pytest.raises(serving.ServerError, match=message):
        serving.Server(**{"repository": repository, **fields})


def test_health_of_an_unknown_service_is_watched_until_it_is_known(install: Install, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="m"), timeout=30)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        install("affine2", "m", 1)
        server.refresh()
        statuses = [next(watch).status]
        if statuses == [health_pb2.HealthCheckResponse.NOT_SERVING]:  # seen while it was loading
            statuses.append(next(watch).status)
        assert statuses[-1] == health_pb2.HealthCheckResponse.SERVING


def test_a_stream_that_a_client_holds_open_does_not_hold_up_the_end(
    gated: Callable[..., serving.Server], pool: ThreadPoolExecutor
) -> None:
    server = gated().start()
    silence = threading.Event()

    def questions() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        silence.wait(60)

    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(questions(), timeout=60)
        next(answers)
        assert pool.submit(server.stop, 60.0).result(20) is True
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        silence.set()


def test_an_engine_that_fails_is_an_internal_error_without_a_traceback(
    install: Install, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            raise RuntimeError("secret detail")

        def close(self) -> None:
            pass

    install("affine2", "m", 1)
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0, load_engine=lambda _: Failing()) as server,
        serving.Client(f"localhost:{server.port}") as client,
        pytest.raises(serving.CallError) as caught,
    ):
        client.predict("m", {"x": np.zeros(1, np.float32)}, timeout=20)
    assert caught.value.code == "INTERNAL"
    assert "secret" not in caught.value.details
    assert "secret detail" in caplog.text
