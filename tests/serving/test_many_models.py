"""A server of more models than its memory holds, asked by TensorFlow Serving's own stubs and Triton's client."""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tritonclient.grpc import InferenceServerClient

import serving
from serving.footprint import saved_model_bytes
from serving.manager import State
from serving.model_ref import ModelRef
from serving.servable import Servable
from tests.serving.fleet import MIB, PATIENCE, Fleet, write_version
from tests.serving.http.asking import ask as ask_http
from tests.serving.inference.cases import triton_input

Install = Callable[[str, str, int], Path]


def predict_request(model: str, *values: float) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array(values, np.float32)))
    return request


def test_twenty_models_are_served_in_the_memory_of_three(install: Install, tmp_path: Path) -> None:
    models = [f"m{number}" for number in range(20)]
    sizes = {saved_model_bytes(install("affine2", model, 1)) for model in models}
    budget = 3 * max(sizes) // MIB + 1
    assert budget * MIB < 4 * min(sizes)
    most = [0]

    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0, memory_budget_mb=budget) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):

        def count() -> None:
            states = [status.state for model in models for status in server.manager.statuses(model)]
            most[0] = max(most[0], sum(state in (State.LOADING, State.AVAILABLE) for state in states))

        server.manager.on_change(count)
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask(number: int) -> list[float]:
            answer = stub.Predict(predict_request(f"m{number % 20}", number, 2), timeout=PATIENCE)
            return list(tf.make_ndarray(answer.outputs["y"]))

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(ask, range(0, 30, 2)))
        assert answers == [[number / 2 + 2, 3.0] for number in range(0, 30, 2)]
        assert most[0] == 3
        left = [each for each in gc.get_objects() if type(each) is Servable and each.name in models]
        assert len(left) <= 3, "what was unloaded is nowhere any more"


@pytest.fixture
def server(tmp_path: Path, fleet: Fleet) -> Iterator[serving.Server]:
    """Models `a` and `b`, which answer `x + 1`, in the memory of one."""
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    with serving.Server(
        tmp_path, port=0, rest_api_port=-1, poll_seconds=0, memory_budget_mb=1, load_engine=fleet
    ) as running:
        yield running
        for gate in fleet.gates.values():
            gate.set()


@pytest.fixture
def stub(channel: grpc.Channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture
def triton(server: serving.Server) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"localhost:{server.port}") as client:
        yield client


def state_of(channel: grpc.Channel, model: str) -> str:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    (status,) = (
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=PATIENCE).model_version_status
    )
    return get_model_status_pb2.ModelVersionStatus.State.Name(status.state)


def held(server: serving.Server) -> int:
    use = server.manager.memory_use()
    assert use is not None
    return use.held


def test_a_dormant_model_is_ready_and_tells_that_it_is_not_loaded(
    channel: grpc.Channel, stub: prediction_service_pb2_grpc.PredictionServiceStub, triton: InferenceServerClient
) -> None:
    assert state_of(channel, "a") == "START"
    assert triton.is_server_ready()
    assert triton.is_model_ready("a")
    assert triton.is_model_ready("a", "1")
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", "a"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    index = {model.name: (model.state, model.reason) for model in triton.get_model_repository_index().models}
    assert index["a"] == ("READY", "loaded on first use")
    stub.Predict(predict_request("a", 1), timeout=PATIENCE)
    assert state_of(channel, "a") == "AVAILABLE"
    index = {model.name: (model.state, model.reason) for model in triton.get_model_repository_index().models}
    assert index == {"a": ("READY", ""), "b": ("READY", "loaded on first use")}


def test_metadata_is_told_of_a_dormant_model_and_loads_nothing(
    server: serving.Server,
    stub: prediction_service_pb2_grpc.PredictionServiceStub,
    triton: InferenceServerClient,
    fleet: Fleet,
) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "a"

    def told() -> list[object]:
        return [
            stub.GetModelMetadata(request, timeout=PATIENCE),
            triton.get_model_metadata("a"),
            triton.get_model_config("a"),
            triton.get_inference_statistics("a").model_stats[0].version,
        ]

    dormant = told()
    assert not fleet.loads
    server.manager.load("a")
    assert told() == dormant


def test_both_protocols_and_http_wake_a_model(
    server: serving.Server,
    channel: grpc.Channel,
    stub: prediction_service_pb2_grpc.PredictionServiceStub,
    triton: InferenceServerClient,
    fleet: Fleet,
) -> None:
    answer = triton.infer("a", [triton_input("x", np.array([2], np.float32))])
    assert answer.as_numpy("y").tolist() == [3]
    assert ask_http(server.rest_api_port, "POST", "/v1/models/b:predict", '{"instances": [2]}').json == {
        "predictions": [3.0]
    }
    _, call = stub.Predict.with_call(predict_request("a", 2), timeout=PATIENCE)
    assert "load;dur=" in dict(call.trailing_metadata())["server-timing"]
    assert state_of(channel, "b") == "START"
    assert fleet.loads == {"a/1": 2, "b/1": 1}
    page = ask_http(server.rest_api_port, "GET", "/metrics").body.decode()
    samples = [each for family in text_string_to_metric_families(page) for each in family.samples]
    assert {each.labels["model"]: each.value for each in samples if each.name == "zoo_model_evictions_total"} == {
        "a": 1.0, "b": 1.0,
    }  # fmt: skip
    assert {each.value for each in samples if each.name in ("zoo_memory_budget_bytes", "zoo_memory_held_bytes")} == {
        MIB
    }


def test_where_there_is_no_room_the_client_is_told_when_to_ask_again(
    server: serving.Server, stub: prediction_service_pb2_grpc.PredictionServiceStub
) -> None:
    server.manager.load("a")
    with server.manager.lease(ModelRef("a")):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request("b", 1), timeout=PATIENCE)
        answer = ask_http(server.rest_api_port, "POST", "/v1/models/b:predict", '{"instances": [2]}')
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "1.0 MiB of the 1.0 MiB that --memory_budget_mb allows are held" in caught.value.details()
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert info.retry_delay.seconds == 1
    assert answer.headers["retry-after"] == "1"


def test_a_deadline_shorter_than_the_load_is_kept_and_the_load_goes_on(
    server: serving.Server, stub: prediction_service_pb2_grpc.PredictionServiceStub, fleet: Fleet
) -> None:
    gate = fleet.gate("a")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(predict_request("a", 1), timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert fleet.loading["a"].wait(PATIENCE)
    gate.set()
    stub.Predict(predict_request("a", 1), timeout=PATIENCE)
    assert fleet.loads == {"a/1": 1}
    server.manager.unload("a")
    assert held(server) == 0, "who had gone holds nothing"


def test_the_timeout_of_a_request_of_tritons_counts_the_load(triton: InferenceServerClient, fleet: Fleet) -> None:
    fleet.gate("a")
    with pytest.raises(Exception, match="Request timeout expired: its turn did not come within the 200000 microsec"):
        triton.infer("a", [triton_input("x", np.array([2], np.float32))], timeout=200_000)


def test_a_call_that_is_cancelled_while_it_waits_leaves_nothing_behind(
    server: serving.Server, stub: prediction_service_pb2_grpc.PredictionServiceStub, fleet: Fleet
) -> None:
    gate = fleet.gate("a")
    calls = [stub.Predict.future(predict_request("a", 1), timeout=PATIENCE) for _ in range(20)]
    assert fleet.loading["a"].wait(PATIENCE)
    for call in calls[::2]:
        call.cancel()
    gate.set()
    for call in calls[1::2]:
        assert list(tf.make_ndarray(call.result(PATIENCE).outputs["y"])) == [2.0]
    server.manager.unload("a")
    assert held(server) == 0
    assert fleet.loads == {"a/1": 1}


def test_stopping_waits_for_a_load_and_its_requests(
    tmp_path: Path, server: serving.Server, stub: prediction_service_pb2_grpc.PredictionServiceStub, fleet: Fleet
) -> None:
    gate = fleet.gate("a")
    call = stub.Predict.future(predict_request("a", 1), timeout=PATIENCE)
    assert fleet.loading["a"].wait(PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(server.stop, PATIENCE)
        gate.set()
        assert list(tf.make_ndarray(call.result(PATIENCE).outputs["y"])) == [2.0]
        assert stopped.result(PATIENCE)
    assert fleet.live() == set()


def test_stopping_in_the_middle_of_a_load_tells_who_waits(
    server: serving.Server, stub: prediction_service_pb2_grpc.PredictionServiceStub, fleet: Fleet
) -> None:
    fleet.gate("a")
    call = stub.Predict.future(predict_request("a", 1), timeout=PATIENCE)
    assert fleet.loading["a"].wait(PATIENCE)
    assert not server.stop(grace=0)
    error = call.exception(PATIENCE)
    assert isinstance(error, grpc.RpcError)
    assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
