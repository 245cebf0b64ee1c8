"""TensorFlow Serving's own client stubs get right answers from this server; nothing here uses our messages."""

import shutil
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.wrappers_pb2 import StringValue
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

import serving

TIMEOUT = 20.0


@pytest.fixture
def prediction(channel: grpc.Channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture
def models(channel: grpc.Channel) -> model_service_pb2_grpc.ModelServiceStub:
    return model_service_pb2_grpc.ModelServiceStub(channel)


def predict_request(model: str, **inputs: object) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def refused(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


def test_predict_with_tensor_content(prediction: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
    request = predict_request("affine", x=np.array([1, 2, 3], np.float32))
    assert request.inputs["x"].tensor_content
    response = prediction.Predict(request, TIMEOUT)
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["y"]), [3.5, 4, 4.5])
    assert response.model_spec.name == "affine"
    assert response.model_spec.version.value == 2
    assert response.model_spec.signature_name == "serving_default"


def test_predict_with_float_val(prediction: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
    request = predict_request("affine")
    tensor = request.inputs["x"]
    tensor.dtype = tf.float32.as_datatype_enum
    tensor.tensor_shape.dim.add(size=3)
    tensor.float_val.extend([1, 2, 3])
    response = prediction.Predict(request, TIMEOUT)
    assert list(response.outputs["y"].float_val) == [3.5, 4, 4.5]  # what clients of TensorFlow Serving read


def test_several_inputs_and_dtypes(prediction: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
    a, b = np.array([[1, 2, 3]], np.float32), np.array([[10, 20, 30]], np.int32)
    response = prediction.Predict(predict_request("sum", a=a, b=b), TIMEOUT)
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["total"]), [[11, 22, 33]])
    assert list(response.outputs["rows"].int_val) == [1]


def test_strings_and_another_signature(prediction: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
    request = predict_request("sum", text=np.array(["zoo", "é"], dtype=object))
    request.model_spec.signature_name = "length"
    response = prediction.Predict(request, TIMEOUT)
    assert list(response.outputs["length"].int_val) == [3, 1]
    assert list(response.outputs["text"].string_val) == [b"zoo", "é".encode()]


def test_an_input_with_a_default_may_be_left_out(tmp_path: Path) -> None:
    class Scaled(tf.Module):
        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.float32, name="x"), tf.TensorSpec([], tf.float32, name="by")]
        )
        def scaled(self, x: tf.Tensor, by: tf.Tensor = tf.constant(2.0)) -> dict[str, tf.Tensor]:  # noqa: B008
            return {"y": x * by}

    module = Scaled()
    tf.saved_model.save(module, str(tmp_path / "scaled" / "1"), signatures=module.scaled)
    with (
        serving.Server(tmp_path, port=0, poll_seconds=0) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        x = np.array([1, 2], np.float32)
        assert list(stub.Predict(predict_request("scaled", x=x), TIMEOUT).outputs["y"].float_val) == [2, 4]
        both = predict_request("scaled", x=x, by=np.float32(3))
        assert list(stub.Predict(both, TIMEOUT).outputs["y"].float_val) == [3, 6]
        code, details = refused(lambda: stub.Predict(predict_request("scaled", by=np.float32(3)), TIMEOUT))
        assert (code, "needs the input 'x'" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_a_version_can_be_chosen(prediction: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
    request = predict_request("affine", x=np.array([2], np.float32))
    for version, expected in ((1, 3.0), (2, 4.0)):
        request.model_spec.version.value = version
        response = prediction.Predict(request, TIMEOUT)
        assert response.model_spec.version.value == version
        assert tf.make_ndarray(response.outputs["y"]).tolist() == [expected]


def test_outputs_can_be_filtered(prediction: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
    request = predict_request("sum", a=np.zeros((1, 3), np.float32), b=np.zeros((1, 3), np.int32))
    request.output_filter.append("rows")
    assert list(prediction.Predict(request, TIMEOUT).outputs) == ["rows"]


def test_metadata(prediction: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "affine"
    response = prediction.GetModelMetadata(request, TIMEOUT)
    assert response.model_spec.version.value == 2
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    signature = found.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert signature.inputs["x"].dtype == tf.float32.as_datatype_enum
    assert [dim.size for dim in signature.inputs["x"].tensor_shape.dim] == [-1]
    assert list(signature.outputs) == ["y"]


@pytest.mark.parametrize("fields", [[], ["passport_of_nowhere"]])
def test_metadata_of_an_unknown_field_is_refused(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub, fields: list[str]
) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "affine"
    code, details = refused(lambda: prediction.GetModelMetadata(request, TIMEOUT))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "signature_def" in details


def test_only_who_asks_for_a_passport_gets_one(
    tmp_path: Path, prediction: prediction_service_pb2_grpc.PredictionServiceStub
) -> None:
    wine = Path(__file__).parents[1] / "testdata" / "format_1" / "wine" / "1"
    shutil.copytree(wine, tmp_path / "models" / "wine" / "1")
    with (
        serving.Server(tmp_path / "models", port=0) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def", "passport"])
        request.model_spec.name = "wine"
        found = StringValue()
        assert stub.GetModelMetadata(request, TIMEOUT).metadata["passport"].Unpack(found)
        assert found.value == (wine / "assets.extra" / "passport.json").read_text()
        del request.metadata_field[:]
        request.metadata_field.append("signature_def")
        assert list(stub.GetModelMetadata(request, TIMEOUT).metadata) == ["signature_def"]
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["passport"])
    request.model_spec.name = "affine"
    code, details = refused(lambda: prediction.GetModelMetadata(request, TIMEOUT))
    assert code is grpc.StatusCode.NOT_FOUND
    assert "has no passport: ask for 'signature_def'" in details


def test_status(models: model_service_pb2_grpc.ModelServiceStub) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "affine"
    found = models.GetModelStatus(request, TIMEOUT).model_version_status
    available = get_model_status_pb2.ModelVersionStatus.State.AVAILABLE
    assert [(line.version, line.state, line.status.error_code) for line in found] == [
        (2, available, 0),
        (1, available, 0),
    ]
    request.model_spec.version.value = 1
    assert [line.version for line in models.GetModelStatus(request, TIMEOUT).model_version_status] == [1]
    request.model_spec.version.value = 9
    assert refused(lambda: models.GetModelStatus(request, TIMEOUT))[0] is grpc.StatusCode.NOT_FOUND


def test_status_of_an_unknown_model(models: model_service_pb2_grpc.ModelServiceStub) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "afine"
    code, details = refused(lambda: models.GetModelStatus(request, TIMEOUT))
    assert code is grpc.StatusCode.NOT_FOUND
    assert "Could not find any versions of model afine" in details
    assert "did you mean 'affine'" in details


def test_an_unknown_model_or_version_is_not_found(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = predict_request("afine", x=np.zeros(1, np.float32))
    code, details = refused(lambda: prediction.Predict(request, TIMEOUT))
    assert code is grpc.StatusCode.NOT_FOUND
    assert "Servable not found for request: Latest(afine)" in details
    assert "did you mean 'affine'" in details
    request.model_spec.name = "affine"
    request.model_spec.version.value = 3
    code, details = refused(lambda: prediction.Predict(request, TIMEOUT))
    assert code is grpc.StatusCode.NOT_FOUND
    assert "Servable not found for request: Specific(affine, 3)" in details


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (predict_request("affine", y=np.zeros(1, np.float32)), ["unknown input 'y'", "known: x"]),
        (predict_request("affine"), ["needs the input 'x' (float32 of shape [N])"]),
        (predict_request("affine", x=np.zeros(1)), ["float32", "float64"]),
        (predict_request("affine", x=np.zeros((1, 2), np.float32)), ["rank 1", "rank 2"]),
        (
            predict_request("sum", a=np.zeros((1, 4), np.float32), b=np.zeros((1, 3), np.int32)),
            ["axis 1 must be 3, is 4"],
        ),
        (
            predict_request("sum", a=np.zeros((1, 3), np.float32), b=np.zeros((2, 3), np.int32)),
            ["same number of rows", "'a' has 1, 'b' has 2"],
        ),
        (predict_request("affine", x=np.zeros(0, np.float32)), ["at least 1, got 0"]),
        (predict_request("affine", x=np.zeros(101, np.float32)), ["limit of 100"]),
        (predict_request("", x=np.zeros(1, np.float32)), ["ModelSpec has no name specified."]),
    ],
)
def test_a_request_that_does_not_fit_the_signature_is_refused(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
    request_: predict_pb2.PredictRequest,
    words: list[str],
) -> None:
    code, details = refused(lambda: prediction.Predict(request_, TIMEOUT))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    for word in words:
        assert word in details


def test_unknown_signatures_labels_and_outputs_are_refused(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = predict_request("sum", text=np.array(["a"], dtype=object))
    request.model_spec.signature_name = "lenght"
    code, details = refused(lambda: prediction.Predict(request, TIMEOUT))
    assert (code, "did you mean 'length'" in details) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    request.model_spec.signature_name = "length"
    request.output_filter.append("len")
    code, details = refused(lambda: prediction.Predict(request, TIMEOUT))
    assert (code, "did you mean 'length'" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    request.model_spec.version_label = "stable"
    code, details = refused(lambda: prediction.Predict(request, TIMEOUT))
    assert (code, "Unrecognized servable version label" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_values_that_the_model_refuses_are_the_callers_fault(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = predict_request("sum", index=np.array([1], np.int32))
    request.model_spec.signature_name = "pick"
    assert list(prediction.Predict(request, TIMEOUT).outputs["picked"].float_val) == [11]
    request.inputs["index"].CopyFrom(tf.make_tensor_proto(np.array([99], np.int32)))
    code, details = refused(lambda: prediction.Predict(request, TIMEOUT))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "99" in details


def test_a_method_that_is_not_offered_says_so(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/tensorflow.serving.SessionService/SessionRun")
    code, _ = refused(lambda: call(b"", timeout=TIMEOUT))
    assert code is grpc.StatusCode.UNIMPLEMENTED
