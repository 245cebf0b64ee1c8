"""Requests that look harmless and ask for too much, and models that answer what they should not."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2

import serving
from serving.protos import prediction_pb2 as pb
from serving.protos import tensor_pb2

Install = Callable[[str, str, int], Path]
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def splat(request: pb.PredictRequest, name: str, *shape: int) -> None:
    """Add an input of a few bytes that stands for a tensor of any size."""
    tensor = request.inputs[name]
    tensor.dtype = tensor_pb2.DT_FLOAT
    tensor.tensor_shape.dim.extend(tensor_pb2.TensorShapeProto.Dim(size=size) for size in shape)
    tensor.float_val.append(1.0)


def refused(channel: grpc.Channel, request: pb.PredictRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(PREDICT)(request.SerializeToString(), timeout=30)
    return caught.value.code(), caught.value.details()


def peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


@pytest.mark.parametrize("model", ["affine", "nobody"])
def test_a_kilobyte_that_asks_for_gigabytes_is_refused_unread(channel: grpc.Channel, model: str) -> None:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name=model))
    for i in range(40):
        splat(request, f"i{i}", 1 << 26)
    assert request.ByteSize() < 2000
    before = peak_megabytes()
    assert refused(channel, request)[0] in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    assert peak_megabytes() - before < 100


@pytest.mark.parametrize("name", ["saved_model.pb", "model.tflite"])
def test_a_model_of_a_file_with_a_hole_of_any_size_is_refused_unread(
    install: Install, tmp_path: Path, name: str
) -> None:
    install("affine2", "affine", 1)
    version = tmp_path / "models" / "hole" / "1"
    version.mkdir(parents=True)
    (version / name).touch()
    os.truncate(version / name, 1 << 42)
    before = peak_megabytes()
    for bounds in ({}, {"memory_budget_mb": 1000}):
        with serving.Server(tmp_path / "models", port=0, poll_seconds=0, **bounds) as server:
            with serving.Client(f"localhost:{server.port}") as client:
                (hole,) = client.versions("hole", timeout=10)
                assert client.health("affine", timeout=10) == "SERVING"
            assert re.search("4398046511104 bytes are more than|takes .* MiB by itself, more than", hole.error)
    assert peak_megabytes() - before < 100


@pytest.mark.parametrize("name", ["variables/variables.index", "variables/variables.data-00000-of-00001", "stray"])
def test_no_hash_is_made_of_a_file_with_a_hole_of_any_size(install: Install, tmp_path: Path, name: str) -> None:
    install("affine2", "affine", 1)
    version = tmp_path / "models" / "wine_mlp" / "1"
    shutil.copytree(Path(__file__).parents[2] / "saved_models" / "wine_mlp" / "1", version)
    (version / name).touch()
    os.truncate(version / name, 1 << 42)  # hours
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        (hole,) = client.versions("wine_mlp", timeout=10)
        assert client.health("affine", timeout=10) == "SERVING"
    assert f"{name}: 4398046511104 bytes are more than the" in hole.error or f"{name} was not there" in hole.error


def test_one_long_string_for_many_rows_counts_as_often_as_it_is_repeated(channel: grpc.Channel) -> None:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="sum", signature_name="length"))
    tensor = request.inputs["text"]
    tensor.dtype = tensor_pb2.DT_STRING
    tensor.tensor_shape.dim.add(size=100)
    tensor.string_val.append(b"x" * (4 << 20))
    before = peak_megabytes()
    code, details = refused(channel, request)
    assert (code, "the limit is" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert peak_megabytes() - before < 100


def test_the_inputs_of_a_request_share_one_budget(repository: Path) -> None:
    with (
        serving.Server(repository, port=0, poll_seconds=0, max_message_bytes=1000) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        request = pb.PredictRequest(model_spec=pb.ModelSpec(name="sum"))
        splat(request, "a", 60, 3)  # 720 bytes
        splat(request, "b", 60, 3)
        request.inputs["b"].dtype = tensor_pb2.DT_INT32
        request.inputs["b"].int_val.append(1)
        code, details = refused(channel, request)
        assert (code, "takes 720 bytes, the limit is 280" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


class Answering:
    """An engine that answers what it is told to."""

    def __init__(self, **answer: np.ndarray) -> None:
        self.answer = answer

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.answer

    def close(self) -> None:
        pass


def ask(install: Install, root: Path, engine: Answering, **fields: object) -> str:
    install("affine2", "m", 1)
    with (
        serving.Server(root / "models", port=0, poll_seconds=0, load_engine=lambda _: engine, **fields) as server,
        serving.Client(f"localhost:{server.port}") as client,
        pytest.raises(serving.CallError) as caught,
    ):
        client.predict("m", {"x": np.zeros(2, np.float32)}, timeout=30)
    return str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"y": np.zeros((2, 1), np.float32)},
        {"y": np.zeros((), np.float32)},
        {"y": np.zeros(2)},
        {},
    ],
    ids=["rank", "scalar", "dtype", "missing"],
)
def test_an_answer_that_breaks_the_signature_is_not_passed_on(
    install: Install, tmp_path: Path, answer: dict[str, np.ndarray]
) -> None:
    said = ask(install, tmp_path, Answering(**answer))
    assert said.startswith("INTERNAL: the model answered 'y' with")
    assert "its signature promises float32 of shape [N]" in said


def test_an_answer_over_the_limit_is_not_built(install: Install, tmp_path: Path) -> None:
    said = ask(install, tmp_path, Answering(y=np.zeros(1000, np.float32)), max_message_bytes=3000)
    assert said.startswith("RESOURCE_EXHAUSTED: the answer takes 4000 bytes, this server's limit is 3000")


@pytest.fixture(scope="module")
def odd_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that do not say which rank they take, answer scalars, or convolve images of any size."""
    root = tmp_path_factory.mktemp("odd")
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    def any_rank(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.nn.conv2d(x, tf.ones([3, 3, 1, 2]), 1, "SAME")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def scalars(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"text": tf.constant("zoo"), "number": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32, name="x")])
    def shrinking(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.nn.conv2d(x, tf.ones([3, 3, 1, 2]), 1, "VALID")}

    signatures = {"serving_default": any_rank, "scalars": scalars, "shrinking": shrinking}
    tf.saved_model.save(module, str(root / "odd" / "1"), signatures=signatures)
    return root


@pytest.fixture
def odd(odd_models: Path) -> Iterator[serving.Client]:
    with (
        serving.Server(odd_models, port=0, poll_seconds=0) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        yield client


def test_an_input_of_unknown_rank_is_not_passed_to_tensorflow(odd: serving.Client) -> None:
    """A scalar into a convolution ends the process."""
    for shape in ((), (0,), (2, 3), (1, 4, 4, 1)):
        with pytest.raises(serving.CallError, match="FAILED_PRECONDITION: .*--allow_unknown_rank"):  # noqa: RUF043
            odd.predict("odd", {"x": np.zeros(shape, np.float32)}, timeout=30)


def test_scalar_answers_pass(odd: serving.Client) -> None:
    answer = odd.predict("odd", {"x": np.array([1, 2], np.float32)}, signature="scalars", timeout=30)
    assert (answer["text"].item(), answer["number"].item()) == (b"zoo", 3.0)


def test_an_image_too_small_for_the_model_is_not_answered_with_nonsense(odd: serving.Client) -> None:
    whole = odd.predict("odd", {"x": np.ones((1, 4, 4, 1), np.float32)}, signature="shrinking", timeout=30)
    assert whole["y"].tolist() == np.full((1, 2, 2, 2), 9.0).tolist()
    try:
        answer = odd.predict("odd", {"x": np.ones((1, 2, 2, 1), np.float32)}, signature="shrinking", timeout=30)
    except serving.CallError as error:  # on some processors TensorFlow answers with one channel
        assert "its signature promises" in error.details  # noqa: PT017 - on others it does not
    else:
        assert answer["y"].shape == (1, 0, 0, 2)


def test_large_requests_are_refused_where_small_ones_are_meant(channel: grpc.Channel) -> None:
    request = health_pb2.HealthCheckRequest(service="x" * (2 << 20)).SerializeToString()
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/grpc.health.v1.Health/Check")(request, timeout=30)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_watch_without_a_request_is_refused(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(channel.stream_stream("/grpc.health.v1.Health/Watch")(iter(()), timeout=30))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_megabyte_of_model_name_is_answered_at_once(client: serving.Client) -> None:
    with pytest.raises(serving.CallError, match="NOT_FOUND"):
        client.predict("m" * (1 << 20), {"x": np.zeros(1, np.float32)}, timeout=5)
