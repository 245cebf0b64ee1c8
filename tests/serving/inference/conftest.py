"""Triton's own client, and a model that takes and gives every dtype."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tritonclient.grpc import InferenceServerClient, service_pb2_grpc

import serving
from tests.serving.inference.cases import DTYPES


@pytest.fixture
def triton(server: serving.Server) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"localhost:{server.port}") as client:
        yield client


@pytest.fixture
def stub(channel: grpc.Channel) -> service_pb2_grpc.GRPCInferenceServiceStub:
    """The peer's stub, for requests that its client does not make."""
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


def save_identities(path: Path) -> None:
    """Signatures named for a dtype: `y` is `x` of shape (N, M); and `rotated`: `y` is `x` times the imaginary unit."""
    module = tf.Module()
    signatures = {}
    for dtype in (*DTYPES, "complex64"):
        spec = tf.TensorSpec([None, None], getattr(tf, dtype), name="x")
        signatures[dtype] = tf.function(lambda x: {"y": tf.identity(x)}, input_signature=[spec]).get_concrete_function()
    rotate = tf.function(lambda x: {"y": tf.complex(0.0, x)}, input_signature=[tf.TensorSpec([None, None], name="x")])
    signatures["rotated"] = rotate.get_concrete_function()
    tf.saved_model.save(module, str(path), signatures=signatures)


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one model, `every`."""
    root = tmp_path_factory.mktemp("identities")
    save_identities(root / "every" / "1")
    return root


@pytest.fixture(scope="session")
def every(identities: Path) -> Iterator[serving.Server]:
    with serving.Server(identities, port=0, poll_seconds=0, max_batch_rows=100) as running:
        yield running
