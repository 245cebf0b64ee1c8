"""NaN in requests and answers: passed on or refused, the same over every protocol."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from google.rpc import error_details_pb2, status_pb2
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

import serving
from serving.nan_policy import refuse_nan
from serving.status import Code, ServerError, StatusError
from tests.serving.http.asking import ask, predict

NAN = float("nan")
WRONG = np.array([1.0, NAN, 3.0, NAN], np.float32)
MESSAGE = "input 'x' has NaN in 2 of 4 places, the first at [1]"


@pytest.fixture(scope="module")
def strict(repository: Path) -> Iterator[serving.Server]:
    """A server that takes numbers alone."""
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0, nan_inputs="refuse") as running:
        yield running


def predict_request(**inputs: np.ndarray) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "affine"
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return request


def test_a_request_with_nan_is_refused_and_its_input_is_named(strict: serving.Server) -> None:
    with grpc.insecure_channel(f"localhost:{strict.port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for _ in range(3):  # from the second on they are known to differ in numbers alone
            good = predict_request(x=np.array([np.inf, 1, 2, 3], np.float32))
            assert stub.Predict(good, timeout=30).outputs["y"].float_val
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request(x=WRONG), timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    found = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    bad = error_details_pb2.BadRequest()
    assert found.details[0].Unpack(bad)
    assert [violation.field for violation in bad.field_violations] == ['inputs["x"]']
    assert found.message.startswith(MESSAGE)


def test_it_is_refused_over_the_open_inference_protocol(strict: serving.Server) -> None:
    tensor = triton.InferInput("x", [4], "FP32")
    tensor.set_data_from_numpy(WRONG)
    with (
        triton.InferenceServerClient(f"localhost:{strict.port}") as peer,
        pytest.raises(InferenceServerException) as caught,
    ):
        peer.infer("affine", [tensor])
    assert MESSAGE in str(caught.value)


def test_it_is_refused_over_http(strict: serving.Server) -> None:
    answer = predict(strict.rest_api_port, "affine", '{"instances": [1, NaN, 3, NaN]}')
    assert answer.status == 400
    assert MESSAGE in answer.error
    assert predict(strict.rest_api_port, "affine", '{"instances": [1]}').status == 200


def test_nan_is_answered_with_nan_by_default_and_counted(repository: Path) -> None:
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0) as server:
        with serving.Client(f"localhost:{server.port}") as client:
            got = client.predict("affine", WRONG, timeout=30)["y"]
            client.predict("affine", np.zeros(3, np.float32), timeout=30)
        page = ask(server.rest_api_port, "GET", "/metrics").body.decode()
    np.testing.assert_array_equal(got, WRONG / 2 + 3)
    counts = {each.name: each.samples for each in text_string_to_metric_families(page)}["zoo_nan_answers"]
    assert [(sample.labels, sample.value) for sample in counts if sample.name.endswith("_total")] == [
        ({"model": "affine"}, 1)
    ]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", ml_dtypes.bfloat16])
def test_nan_is_found_in_every_dtype_that_has_it(dtype: str) -> None:
    array = np.zeros((2, 3, 4), dtype)
    refuse_nan({"x": array})
    array[1, 0, 2] = array[1, 2, 3] = NAN
    with pytest.raises(StatusError, match=r"NaN in 2 of 24 places, the first at \[1, 0, 2\]") as caught:
        refuse_nan({"x": array})
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("array", [np.zeros(3, np.int64), np.array([b"nan"], dtype=object), np.zeros((0, 2))])
def test_what_cannot_hold_nan_passes(array: np.ndarray) -> None:
    refuse_nan({"x": array})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_as_large_as_can_be_is_a_number(dtype: str) -> None:
    refuse_nan({"x": np.array([[np.inf, -np.inf, np.finfo(dtype).max, np.finfo(dtype).min, 0.0]] * 40, dtype)})


def test_a_scalar_has_a_place_too() -> None:
    with pytest.raises(StatusError, match=r"NaN in 1 of 1 places, the first at \[\]"):
        refuse_nan({"x": np.array(NAN)})


def test_another_policy_is_refused(repository: Path) -> None:
    with pytest.raises(ServerError, match="nan_inputs 'warn': expected 'accept' or 'refuse'"):
        serving.Server(repository, port=0, nan_inputs="warn")
