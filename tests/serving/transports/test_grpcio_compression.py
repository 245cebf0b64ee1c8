"""Compressed requests where gRPC's own library is the transport: refused, since nobody is asked before it unpacks them."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

import serving
from serving.protos import prediction_pb2 as pb

PREDICT = "/tensorflow.serving.PredictionService/Predict"
METHODS = (PREDICT, "/grpc.health.v1.Health/Check", "/inference.GRPCInferenceService/ModelStreamInfer")
REQUEST = pb.PredictRequest(
    model_spec={"name": "affine"},
    inputs={"x": {"dtype": 1, "tensor_shape": {"dim": [{"size": 1}]}, "float_val": [4.0]}},
).SerializeToString()
FIVE = 5.0
"""4 / 2 + 3, of the newest version."""
BOMB = bytes(64 << 20)
"""Gzip makes 64 kB of it."""


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[serving.Server]:
    with serving.Server(repository, port=0, poll_seconds=0, transport="grpcio") as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: serving.Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"localhost:{server.port}") as connected:
        yield connected


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
@pytest.mark.parametrize("path", METHODS)
def test_compressed_requests_are_refused(channel: grpc.Channel, compression: grpc.Compression, path: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        next(iter(channel.stream_stream(path)(iter([BOMB]), timeout=60, compression=compression)))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert f"'{compression.name.lower()}' is disabled" in refused.value.details()


def test_the_same_client_may_ask_without(channel: grpc.Channel) -> None:
    predict = channel.unary_unary(PREDICT)
    with pytest.raises(grpc.RpcError):
        predict(REQUEST, timeout=60, compression=grpc.Compression.Gzip)
    assert answer_of(predict(REQUEST, timeout=60)) == [FIVE]


def test_who_wants_them_unpacked_may_say_so(repository: Path) -> None:
    arguments = {"grpc.compression_enabled_algorithms_bitset": 0b111}
    with (
        serving.Server(
            repository, port=0, poll_seconds=0, transport="grpcio", grpc_channel_arguments=arguments
        ) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        answer = channel.unary_unary(PREDICT)(REQUEST, timeout=60, compression=grpc.Compression.Gzip)
    assert answer_of(answer) == [FIVE]


def answer_of(message: bytes) -> list[float]:
    return list(pb.PredictResponse.FromString(message).outputs["y"].float_val)
