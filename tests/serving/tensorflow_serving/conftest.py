"""A server over TensorFlow Serving's kind of test model, and a model that this project exported; the peer's stubs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

import serving
from tests.serving.tensorflow_serving.half_plus_two import write_half_plus_two

SHIPPED = Path(__file__).parents[3] / "saved_models"


@pytest.fixture(scope="session")
def example_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`half`, and of ours `cancer` (a classifier of one unit), `wine` (of three classes) and `diabetes` (a regression)."""
    root = tmp_path_factory.mktemp("examples")
    write_half_plus_two(root / "half" / "3")
    for name in ("cancer", "wine", "diabetes"):
        shutil.copytree(SHIPPED / f"{name}_mlp" / "1", root / name / "1")
    return root


@pytest.fixture(scope="session")
def example_server(example_models: Path) -> Iterator[serving.Server]:
    with serving.Server(example_models, port=0, poll_seconds=0, max_batch_rows=200) as running:
        yield running


@pytest.fixture
def example_channel(example_server: serving.Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"localhost:{example_server.port}") as opened:
        yield opened


@pytest.fixture
def stub(example_channel: grpc.Channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(example_channel)


@pytest.fixture
def model_stub(example_channel: grpc.Channel) -> model_service_pb2_grpc.ModelServiceStub:
    return model_service_pb2_grpc.ModelServiceStub(example_channel)
