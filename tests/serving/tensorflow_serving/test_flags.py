"""What two of TensorFlow Serving's flags change in answers."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import serving
from tests.serving.tensorflow_serving.requests import CLASSIFY, classification, example, inference, regression

TIMEOUT = 30.0
Stub = prediction_service_pb2_grpc.PredictionServiceStub


@pytest.fixture(scope="module")
def flagged(example_models: Path) -> Iterator[Stub]:
    with (
        serving.Server(
            example_models,
            port=0,
            poll_seconds=0,
            enable_serialization_as_tensor_content=True,
            enable_signature_method_name_check=True,
        ) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        yield Stub(channel)


def prediction() -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    request.model_spec.signature_name = "predict"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([2.0, 5.0]))
    return request


def test_serialization_as_tensor_content(flagged: Stub, stub: Stub) -> None:
    answer, plain = (each.Predict(prediction(), TIMEOUT).outputs["y"] for each in (flagged, stub))
    assert (list(answer.float_val), answer.tensor_content != b"") == ([], True)
    assert (list(plain.float_val), plain.tensor_content) == ([3.0, 4.5], b"")
    assert tf.make_ndarray(answer).tolist() == tf.make_ndarray(plain).tolist()


def test_who_asks_for_tensor_content_gets_it_from_any_server(stub: Stub) -> None:
    answer = stub.Predict(prediction(), TIMEOUT, metadata=[("zoo-tensor-content", "1")])
    assert answer.outputs["y"].tensor_content


@pytest.mark.parametrize("signature", ["method_of_its_own", "predict"])
def test_a_method_name_may_be_asked_for(flagged: Stub, signature: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        flagged.Regress(regression("half", example(x=2), signature=signature), TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    words = (
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict"
    )
    assert words in caught.value.details()


def test_signatures_that_have_it_answer_as_before(flagged: Stub) -> None:
    response = flagged.Classify(classification("half", example(x=2), signature="classify"), TIMEOUT)
    assert response.result.classifications[0].classes[0].score == 3.0
    response = flagged.MultiInference(inference("half", {"classify": CLASSIFY}, example(x=2)), TIMEOUT)
    assert response.results[0].classification_result.classifications[0].classes[1].label == "whole"
