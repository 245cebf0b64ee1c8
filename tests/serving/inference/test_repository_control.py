"""RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload by Triton's client."""

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

import serving
from tests.serving.inference.cases import triton_input

Install = Callable[[str, str, int], Path]


@pytest.fixture
def server(install: Install, tmp_path: Path) -> Iterator[serving.Server]:
    """`good`, and `bad`, which cannot be loaded."""
    install("affine2", "good", 1)
    (install("affine2", "bad", 1) / "saved_model.pb").write_bytes(b"\xff")
    with serving.Server(tmp_path / "models", port=0, poll_seconds=0) as running:
        yield running


def index(triton: InferenceServerClient) -> dict[str, tuple[str, str]]:
    return {model.name: (model.version, model.state) for model in triton.get_model_repository_index().models}


def ask(triton: InferenceServerClient, model: str = "good") -> list[float]:
    return triton.infer(model, [triton_input("x", np.array([2], np.float32))]).as_numpy("y").tolist()


def test_the_index_tells_states_and_reasons(triton: InferenceServerClient) -> None:
    assert index(triton) == {"good": ("1", "READY"), "bad": ("1", "UNAVAILABLE")}
    reasons = {model.name: model.reason for model in triton.get_model_repository_index().models}
    assert reasons["good"] == ""
    assert "is not a SavedModel" in reasons["bad"]


def test_a_model_that_cannot_be_loaded_keeps_the_server_from_being_ready(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert not triton.is_server_ready()
    assert not triton.is_model_ready("bad")
    with pytest.raises(InferenceServerException, match="Request for unknown model: 'bad' has no available versions"):
        ask(triton, "bad")
    with pytest.raises(InferenceServerException, match="'bad' version 1 is not at ready state") as caught:
        triton.get_model_metadata("bad", "1")
    assert caught.value.status() == "StatusCode.UNAVAILABLE"
    triton.unload_model("bad")  # nobody wants it any more
    assert not triton.is_model_ready("bad")


def test_an_unloaded_model_stays_so_until_it_is_loaded(triton: InferenceServerClient, server: serving.Server) -> None:
    triton.unload_model("good")
    server.refresh()
    assert index(triton)["good"] == ("1", "UNAVAILABLE")
    assert [model.reason for model in triton.get_model_repository_index().models if model.name == "good"] == [
        "unloaded"
    ]
    assert not triton.is_model_ready("good")
    with serving.Client(f"localhost:{server.port}") as client:
        assert client.health("good", timeout=30) == "NOT_SERVING"
    with pytest.raises(InferenceServerException, match="Request for unknown model: 'good' has no available versions"):
        ask(triton)
    triton.load_model("good")
    assert ask(triton) == [3.0]
    assert index(triton)["good"] == ("1", "READY")


def test_a_load_finds_a_new_version_and_a_mended_one(
    triton: InferenceServerClient, install: Install, saved_models: Path, tmp_path: Path
) -> None:
    install("affine3", "good", 2)
    triton.load_model("good")
    assert ask(triton) == [4.0]
    mended = (saved_models / "affine2" / "saved_model.pb").read_bytes()
    (tmp_path / "models" / "bad" / "1" / "saved_model.pb").write_bytes(mended)
    triton.load_model("bad")
    assert ask(triton, "bad") == [3.0]
    assert triton.is_server_ready()


def test_a_new_model_can_be_loaded(triton: InferenceServerClient, install: Install) -> None:
    install("affine3", "new", 1)
    with pytest.raises(InferenceServerException, match="Request for unknown model"):
        ask(triton, "new")
    triton.load_model("new")
    assert ask(triton, "new") == [4.0]


def test_only_ready_ones_are_listed_where_only_those_are_asked_for(
    stub: service_pb2_grpc.GRPCInferenceServiceStub,
) -> None:
    found = stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(ready=True), timeout=30)
    assert [model.name for model in found.models] == ["good"]
    with pytest.raises(grpc.RpcError) as caught:
        stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(repository_name="other"), timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "'repository_name' specification is not supported" in caught.value.details()


def test_what_cannot_be_loaded_or_unloaded_is_said(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"failed to load 'god', failed to poll .*did you mean 'good'"):
        triton.load_model("god")
    with pytest.raises(
        InferenceServerException, match="load failed for model 'bad': version 1 is at UNAVAILABLE state"
    ):
        triton.load_model("bad")
    with pytest.raises(InferenceServerException, match="Model to be unloaded has not been served: 'god'"):
        triton.unload_model("god")
    with pytest.raises(InferenceServerException, match=r"failed to load '\.\./models/good'"):
        triton.load_model("../models/good")


def test_kserves_messages_are_understood(channel: grpc.Channel, triton: InferenceServerClient) -> None:
    """The model's name is in field 1, and comes back there beside a true in field 2."""
    name, done = b"\x0a\x04good", b"\x10\x01"
    for method, ready in (("RepositoryModelUnload", False), ("RepositoryModelLoad", True)):
        assert channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(name, timeout=30) == name + done
        assert triton.is_model_ready("good") is ready


def test_overrides_are_refused_in_words(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="load parameter 'config' is not supported") as caught:
        triton.load_model("good", config='{"max_batch_size": 8}')
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"
    with pytest.raises(InferenceServerException, match=r"load parameter '(config|file:1/model.onnx)' is not supported"):
        triton.load_model("good", config="{}", files={"file:1/model.onnx": b"model"})
    assert ask(triton) == [3.0]
