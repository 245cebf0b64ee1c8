"""Who gets in, and what they may use: real calls over the peer's wire, with tokens."""

import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

import serving
from serving.codec import encode
from serving.engines.saved_model import SavedModelEngine
from serving.protos import inference_pb2 as model_pb
from serving.protos import prediction_pb2 as pb
from tests.serving.access_files import ACCESS, sha256

PREDICT = "/tensorflow.serving.PredictionService/Predict"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
INDEX = "/inference.GRPCInferenceService/RepositoryIndex"
LOAD = "/inference.GRPCInferenceService/RepositoryModelLoad"
UNLOAD = "/inference.GRPCInferenceService/RepositoryModelUnload"
HEALTH = "/grpc.health.v1.Health/Check"


@pytest.fixture(scope="module")
def guarded(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    path = tmp_path_factory.mktemp("access") / "access.yaml"
    path.write_text(ACCESS)
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0, access_file=path) as server:
        yield server


@pytest.fixture
def connection(guarded: serving.Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"localhost:{guarded.port}") as channel:
        yield channel


def ask(channel: grpc.Channel, path: str, model: str, token: str | None = None) -> str:
    kinds = {PREDICT: pb.PredictRequest, METADATA: pb.GetModelMetadataRequest, STATUS: pb.GetModelStatusRequest}
    request = kinds[path](model_spec=pb.ModelSpec(name=model))
    if path == PREDICT:
        request.inputs["x"].CopyFrom(encode(np.zeros(1, np.float32)))
    if path == METADATA:
        request.metadata_field.append("signature_def")
    metadata = () if token is None else (("authorization", token),)
    try:
        channel.unary_unary(path)(request.SerializeToString(), timeout=30, metadata=metadata)
    except grpc.RpcError as error:
        return "a secret was told" if "secret" in error.details() else str(error.code().name)
    return "OK"


@pytest.mark.parametrize("path", [PREDICT, METADATA, STATUS])
@pytest.mark.parametrize(
    ("token", "model", "code"),
    [
        ("Bearer dash-secret", "affine", "OK"),
        ("bearer dash-secret", "affine", "OK"),
        ("Bearer dash-secret", "sum", "PERMISSION_DENIED"),
        ("Bearer dash-secret", "nothing", "PERMISSION_DENIED"),
        ("Bearer dash-secret ", "affine", "OK"),
        ("Bearer Dash-secret", "affine", "UNAUTHENTICATED"),
        ("Bearer ", "affine", "UNAUTHENTICATED"),
        ("Basic dash-secret", "affine", "UNAUTHENTICATED"),
        (None, "affine", "UNAUTHENTICATED"),
    ],
)
def test_a_token_opens_what_its_client_may_use(
    connection: grpc.Channel, path: str, token: str | None, model: str, code: str
) -> None:
    assert ask(connection, path, model, token) == code


def test_our_client_shows_its_token_with_every_call(guarded: serving.Server) -> None:
    with serving.Client(f"localhost:{guarded.port}", token="dash-secret") as client:
        answer = client.predict("affine", np.zeros(1, np.float32), timeout=30)
        assert answer["y"] == 3
        with pytest.raises(serving.CallError, match="PERMISSION_DENIED: dashboard may not use the model 'sum'"):
            client.versions("sum", timeout=30)


def bare_call(channel: grpc.Channel, path: str, message: bytes, token: str) -> str:
    try:
        channel.unary_unary(path)(message, timeout=30, metadata=(("authorization", f"Bearer {token}"),))
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    return "OK"


@pytest.mark.parametrize(
    ("path", "model", "token", "answer"),
    [
        (LOAD, "affine", "load-secret", "OK"),
        (LOAD, "affine", "dash-secret", "PERMISSION_DENIED: dashboard may not say what is served"),
        (LOAD, "sum", "load-secret", "PERMISSION_DENIED: loader may not use the model 'sum'"),
        (UNLOAD, "sum", "load-secret", "PERMISSION_DENIED: loader may not use the model 'sum'"),
    ],
)
def test_who_may_load_and_unload_may_do_so_with_its_models(
    connection: grpc.Channel, path: str, model: str, token: str, answer: str
) -> None:
    request = model_pb.RepositoryModelLoadRequest(model_name=model)  # the name has one number in both messages
    assert bare_call(connection, path, request.SerializeToString(), token) == answer


def test_who_may_use_some_models_may_not_replace_them_all(connection: grpc.Channel) -> None:
    request = pb.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    of_loader, of_dashboard = (
        bare_call(connection, RELOAD, request.SerializeToString(), f"{name}-secret") for name in ("load", "dash")
    )
    assert of_loader == "PERMISSION_DENIED: loader may not use the model '*'"
    assert of_dashboard == "PERMISSION_DENIED: dashboard may not say what is served"


def test_models_of_others_are_not_listed_nor_hinted_at(connection: grpc.Channel) -> None:
    message = connection.unary_unary(INDEX)(b"", timeout=30, metadata=(("authorization", "Bearer dash-secret"),))
    assert {each.name for each in model_pb.RepositoryIndexResponse.FromString(message).models} == {"affine"}
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="affin"))
    said = bare_call(connection, PREDICT, request.SerializeToString(), "dash-secret")
    assert said.startswith("NOT_FOUND")
    assert "sum" not in said


def http_status(server: serving.Server, path: str, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"http://127.0.0.1:{server.rest_api_port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own address
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/v1/models/affine", "dash-secret", 200),
        ("/v1/models/sum", "dash-secret", 403),
        ("/v1/models/affine", None, 401),
        ("/v1/models/affine", "nothing", 401),
        ("/v2/models/sum/ready", "dash-secret", 403),
        ("/metrics", None, 401),
        ("/metrics", "dash-secret", 200),
        ("/v2/health/ready", None, 200),
    ],
)
def test_http_asks_the_same(guarded: serving.Server, path: str, token: str | None, status: int) -> None:
    assert http_status(guarded, path, token) == status


def test_health_answers_anyone(connection: grpc.Channel) -> None:
    assert connection.unary_unary(HEALTH)(b"", timeout=30) == b"\x08\x01"


def health_of(channel: grpc.Channel, model: str, token: str) -> str:
    message = health_pb2.HealthCheckRequest(service=model).SerializeToString()
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
    seen = next(watch(message, timeout=30, metadata=(("authorization", f"Bearer {token}"),)))
    watched = health_pb2.HealthCheckResponse.ServingStatus.Name(health_pb2.HealthCheckResponse.FromString(seen).status)
    return f"{bare_call(channel, HEALTH, message, token).partition(':')[0]} {watched}"


@pytest.mark.parametrize(
    ("token", "model", "answer"),
    [
        ("dash-secret", "affine", "OK SERVING"),
        ("dash-secret", "sum", "NOT_FOUND SERVICE_UNKNOWN"),
        ("nothing", "affine", "NOT_FOUND SERVICE_UNKNOWN"),
        ("nothing", "no-such-model", "NOT_FOUND SERVICE_UNKNOWN"),
        ("nothing", "", "OK SERVING"),
    ],
)
def test_the_health_of_a_model_is_told_to_who_may_use_it(
    connection: grpc.Channel, token: str, model: str, answer: str
) -> None:
    assert health_of(connection, model, token) == answer


def test_our_client_waits_for_a_model_with_its_token(guarded: serving.Server) -> None:
    with serving.Client(f"localhost:{guarded.port}", token="dash-secret") as client:
        client.wait_until_serving("affine", timeout=30)


def test_metrics_tell_of_the_models_that_a_client_may_use(guarded: serving.Server, connection: grpc.Channel) -> None:
    url = f"http://localhost:{guarded.rest_api_port}/metrics"
    request = urllib.request.Request(url, headers={"authorization": "Bearer dash-secret"})
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
        text = answer.read().decode()
    assert 'zoo_model_version_live{model="affine"' in text
    assert '"sum"' not in text


@pytest.mark.parametrize("token", ["load-secret", "dash-secret"])
@pytest.mark.parametrize("folder", ["/", "/no/such/folder", __file__])
def test_who_may_not_say_what_is_served_learns_nothing_of_folders(
    connection: grpc.Channel, token: str, folder: str
) -> None:
    request = pb.ReloadConfigRequest()
    request.config.model_config_list.config.add(name="a", base_path=folder, model_platform="tensorflow")
    assert bare_call(connection, RELOAD, request.SerializeToString(), token).startswith("PERMISSION_DENIED")


def test_hints_to_who_loads_name_no_models_of_others(repository: Path, tmp_path: Path) -> None:
    access = tmp_path / "access.yaml"
    access.write_text(ACCESS.replace('models: ["affine"]', 'models: ["affin*"]'))
    request = model_pb.RepositoryModelLoadRequest(model_name="affinity").SerializeToString()
    with (
        serving.Server(repository, port=0, poll_seconds=0, access_file=access) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        said = [bare_call(channel, path, request, "load-secret") for path in (LOAD, UNLOAD)]
    hint = "did you mean 'affine'? known: affine"
    assert said == [
        f"NOT_FOUND: failed to load 'affinity', failed to poll from model repository: {hint}",
        f"INVALID_ARGUMENT: Model to be unloaded has not been served: 'affinity'; {hint}",
    ]


def test_reflection_does_not(connection: grpc.Channel) -> None:
    stream = connection.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    with pytest.raises(grpc.RpcError) as caught:
        list(stream(iter([b""]), timeout=30))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_file_is_read_anew_while_the_server_runs(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)

    def replace(text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").replace(path)
        server.refresh()

    with (
        serving.Server(repository, port=0, poll_seconds=0, access_file=path) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        assert ask(channel, PREDICT, "affine", "Bearer dash-secret") == "OK"
        replace(ACCESS.replace(sha256("dash-secret"), sha256("other-secret")))
        assert ask(channel, PREDICT, "affine", "Bearer dash-secret") == "UNAUTHENTICATED"
        assert ask(channel, PREDICT, "affine", "Bearer other-secret") == "OK"
        replace("clients: [{nonsense: 1}]")
        assert ask(channel, PREDICT, "affine", "Bearer other-secret") == "OK", "what cannot be read changes nothing"
        replace(ACCESS + "anonymous: {models: [affine]}\n")
        assert (ask(channel, PREDICT, "affine"), ask(channel, PREDICT, "sum")) == ("OK", "PERMISSION_DENIED")


def test_a_token_is_withdrawn_also_while_a_model_takes_long_to_load(
    install: Callable[[str, str, int], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install("affine2", "affine", 1)
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    loading, read_anew, loaded = threading.Event(), threading.Event(), threading.Event()

    def load(version: Path) -> SavedModelEngine:
        loading.set()
        loaded.wait(30)
        return SavedModelEngine(version)

    def notice(line: logging.LogRecord) -> bool:
        if line.getMessage() == f"read {path} anew":
            read_anew.set()
        return True

    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(notice)
    server = serving.Server(tmp_path / "models", port=0, poll_seconds=0.02, access_file=path, load_engine=load)
    starting = threading.Thread(target=server.start)
    starting.start()
    try:
        assert loading.wait(30)
        with grpc.insecure_channel(f"localhost:{server.port}") as channel:
            assert ask(channel, PREDICT, "affine", "Bearer dash-secret") == "NOT_FOUND"
            (tmp_path / "new").write_text(ACCESS.replace(sha256("dash-secret"), sha256("other-secret")))
            (tmp_path / "new").replace(path)
            assert read_anew.wait(30)
            assert ask(channel, PREDICT, "affine", "Bearer dash-secret") == "UNAUTHENTICATED"
    finally:
        loaded.set()
        starting.join()
        server.stop()


def test_what_is_for_operators_has_a_port_of_its_own(install: Callable[[str, str, int], Path], tmp_path: Path) -> None:
    install("affine2", "affine", 1)
    load = model_pb.RepositoryModelLoadRequest(model_name="affine").SerializeToString()
    with serving.Server(tmp_path / "models", port=0, admin_port=0, rest_api_port=-1, poll_seconds=0) as server:
        with grpc.insecure_channel(f"localhost:{server.port}") as public:
            assert bare_call(public, LOAD, load, "").endswith("what it serves: they do so on its --admin_port")
            assert reflected(public) == "UNIMPLEMENTED"
            assert ask(public, PREDICT, "affine") == "OK"
        with grpc.insecure_channel(f"127.0.0.1:{server.admin_port}") as admin:
            assert bare_call(admin, LOAD, load, "") == "OK"
            assert reflected(admin) == "OK"
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.rest_api_port}/v2/repository/models/affine/load", data=b"{}"
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)  # noqa: S310 - our own address
        assert caught.value.code == 403


def test_reflection_can_be_closed(repository: Path) -> None:
    with (
        serving.Server(repository, port=0, disable_reflection=True, poll_seconds=0) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        assert reflected(channel) == "UNIMPLEMENTED"


def reflected(channel: grpc.Channel) -> str:
    stream = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    try:
        list(stream(iter([b"\x3a\x00"]), timeout=30))  # list_services
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"
