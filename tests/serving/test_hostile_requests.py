"""What strangers may send: anything, and it hurts nobody."""

import random
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import serving
from serving.protos import prediction_pb2 as pb
from serving.protos import tensor_pb2

Install = Callable[[str, str, int], Path]
METHODS = [
    "/tensorflow.serving.PredictionService/Predict",
    "/tensorflow.serving.PredictionService/GetModelMetadata",
    "/tensorflow.serving.ModelService/GetModelStatus",
    "/grpc.health.v1.Health/Check",
]


def valid_request() -> pb.PredictRequest:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="affine"))
    request.inputs["x"].dtype = tensor_pb2.DT_FLOAT
    request.inputs["x"].tensor_shape.dim.add(size=2)
    request.inputs["x"].float_val.extend([1, 2])
    return request


ALLOWED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


def send(channel: grpc.Channel, method: str, message: bytes) -> None:
    """Any bytes are answered, or refused as the caller's fault."""
    try:
        channel.unary_unary(method)(message, timeout=30)
    except grpc.RpcError as error:
        assert error.code() in ALLOWED, (error.code(), error.details())  # noqa: PT017 - an answer is as good


@settings(max_examples=150, deadline=None)
@given(method=st.sampled_from(METHODS), message=st.binary(max_size=300))
def test_random_bytes_never_hurt(server: serving.Server, method: str, message: bytes) -> None:
    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        send(channel, method, message)


def test_mutated_requests_never_hurt(channel: grpc.Channel, client: serving.Client) -> None:
    source = random.Random(0)  # noqa: S311 - to be repeatable
    valid = valid_request().SerializeToString()
    for _ in range(500):
        message = bytearray(valid)
        for _ in range(source.randint(1, 4)):
            message[source.randrange(len(message))] = source.randrange(256)
        send(channel, METHODS[0], bytes(message))
    assert client.predict("affine", np.ones(1, np.float32), timeout=20)["y"] == [3.5]


@settings(max_examples=100, deadline=None)
@given(
    shape=st.lists(st.integers(-2, 5) | st.sampled_from([1 << 31, 1 << 62]), max_size=5),
    code=st.integers(0, 30),
    values=st.integers(0, 6),
)
def test_wrong_shapes_and_dtypes_never_hurt(server: serving.Server, shape: list[int], code: int, values: int) -> None:
    request = valid_request()
    tensor = request.inputs["x"]
    tensor.Clear()
    tensor.dtype = code  # type: ignore[assignment]
    tensor.tensor_shape.dim.extend(tensor_pb2.TensorShapeProto.Dim(size=size) for size in shape)
    tensor.float_val.extend([1.0] * values)
    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        send(channel, METHODS[0], request.SerializeToString())


def test_a_message_over_the_limit_is_refused(install: Install, tmp_path: Path) -> None:
    install("affine2", "m", 1)
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0, max_message_bytes=1000) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        with pytest.raises(serving.CallError, match="RESOURCE_EXHAUSTED"):
            client.predict("m", {"x": np.zeros(1000, np.float32)}, timeout=20)
        assert client.predict("m", {"x": np.zeros(1, np.float32)}, timeout=20)["y"] == [2.0]
