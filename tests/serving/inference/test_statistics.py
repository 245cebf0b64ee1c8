"""ModelStatistics by Triton's client: every protocol's inferences count."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, service_pb2_grpc
from tritonclient.grpc import service_pb2 as peer
from tritonclient.utils import InferenceServerException

import serving
from serving.batching_parameters import BatchingParameters
from tests.serving.inference.cases import raw_request, triton_input


@pytest.fixture
def server(repository: Path) -> Iterator[serving.Server]:
    with serving.Server(repository, port=0, versions="all", poll_seconds=0) as running:
        yield running


def ask(triton: InferenceServerClient, rows: int, version: str = "") -> None:
    triton.infer("affine", [triton_input("x", np.zeros(rows, np.float32))], model_version=version)


def of(triton: InferenceServerClient, model: str, version: str) -> peer.ModelStatistics:
    [found] = triton.get_inference_statistics(model, version).model_stats
    assert (found.name, found.version) == (model, version)
    return found


def test_inferences_are_counted(triton: InferenceServerClient) -> None:
    for rows in (2, 2, 5):
        ask(triton, rows)
    ask(triton, 1, version="1")
    found = of(triton, "affine", "2")
    stats = found.inference_stats
    assert (found.inference_count, found.execution_count) == (9, 3)
    assert (stats.success.count, stats.fail.count) == (3, 0)
    assert (
        stats.queue.count == stats.compute_input.count == stats.compute_infer.count == stats.compute_output.count == 3
    )
    parts = stats.queue.ns + stats.compute_input.ns + stats.compute_infer.ns + stats.compute_output.ns
    assert 0 < parts <= stats.success.ns
    assert found.last_inference > 1_700_000_000_000
    assert [(batch.batch_size, batch.compute_infer.count) for batch in found.batch_stats] == [(2, 2), (5, 1)]
    assert sum(batch.compute_infer.ns for batch in found.batch_stats) == stats.compute_infer.ns
    assert of(triton, "affine", "1").inference_count == 1


@pytest.mark.parametrize("padded", [False, True])
def test_a_batch_of_several_requests_is_one_execution(repository: Path, padded: bool) -> None:  # noqa: FBT001 - a case
    parameters = BatchingParameters(8, 2000, max_enqueued_batches=100, allowed_batch_sizes=(4, 8) if padded else ())
    with (
        serving.Server(
            repository, port=0, poll_seconds=0, enable_batching=True, batching_parameters=parameters
        ) as server,
        InferenceServerClient(f"localhost:{server.port}") as triton,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        pending = [infer.future(raw_request("affine", {"x": np.zeros(2, np.float32)}), timeout=30) for _ in range(100)]
        for each in pending:
            assert np.frombuffer(each.result().raw_output_contents[0], np.float32).tolist() == [3, 3]
        found = of(triton, "affine", "2")
    counts = {batch.batch_size: batch.compute_infer.count for batch in found.batch_stats}
    assert (found.inference_count, found.inference_stats.success.count) == (200, 100)
    assert found.execution_count == sum(counts.values()) < 100
    computed = sum(rows * count for rows, count in counts.items())
    assert computed >= 200 if padded else computed == 200
    assert set(counts) <= ({4, 8} if padded else {2, 4, 6, 8})


def test_a_request_that_is_taken_apart_is_several_executions(repository: Path) -> None:
    parameters = BatchingParameters(16, 0, max_execution_batch_size=4, enable_large_batch_splitting=True)
    with (
        serving.Server(
            repository, port=0, poll_seconds=0, enable_batching=True, batching_parameters=parameters
        ) as server,
        InferenceServerClient(f"localhost:{server.port}") as triton,
    ):
        triton.infer("affine", [triton_input("x", np.zeros(12, np.float32))])
        found = of(triton, "affine", "2")
    assert (found.inference_count, found.execution_count) == (12, 3)
    assert [(batch.batch_size, batch.compute_infer.count) for batch in found.batch_stats] == [(4, 3)]


def test_failures_are_counted_where_a_version_was_reached(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException):
        triton.infer("affine", [triton_input("y", np.zeros(1, np.float32))])
    with pytest.raises(InferenceServerException):
        triton.infer("nobody", [triton_input("y", np.zeros(1, np.float32))])
    stats = of(triton, "affine", "2").inference_stats
    assert (stats.success.count, stats.fail.count) == (0, 1)
    assert stats.fail.ns > 0


def test_other_protocols_and_streams_count_too(triton: InferenceServerClient, server: serving.Server) -> None:
    with serving.Client(f"localhost:{server.port}") as client:
        client.predict("affine", np.zeros(3, np.float32), timeout=30)
    request = peer.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(4)])
    request.inputs.add(name="x", datatype="FP32", shape=[1])
    wrong = peer.ModelInferRequest(model_name="affine")
    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        messages = [each.SerializeToString() for each in (request, wrong, request)]
        assert len(list(call(iter(messages), timeout=30))) == 3
    found = of(triton, "affine", "2")
    assert (found.inference_count, found.inference_stats.success.count, found.inference_stats.fail.count) == (5, 3, 1)


def test_asking_for_anything_else_does_not_count(triton: InferenceServerClient, server: serving.Server) -> None:
    triton.get_model_metadata("affine")
    triton.is_model_ready("affine")
    with serving.Client(f"localhost:{server.port}") as client:
        client.signatures("affine", timeout=30)
    stats = of(triton, "affine", "2").inference_stats
    assert (stats.success.count, stats.fail.count) == (0, 0)


def test_all_models_or_one(triton: InferenceServerClient) -> None:
    found = triton.get_inference_statistics().model_stats
    assert [(each.name, each.version) for each in found] == [("affine", "1"), ("affine", "2"), ("sum", "1")]
    assert [each.version for each in triton.get_inference_statistics("affine").model_stats] == ["1", "2"]


def test_what_is_not_there_has_no_statistics(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="requested model 'nobody' is not available") as caught:
        triton.get_inference_statistics("nobody")
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    with pytest.raises(InferenceServerException, match="requested model version is not available for model 'affine'"):
        triton.get_inference_statistics("affine", "9")
