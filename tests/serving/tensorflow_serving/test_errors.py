"""What TensorFlow Serving answers to wrong requests: the same codes and key phrases, which its clients match on.

The phrases are those of its sources (servables/tensorflow/{predict_util,classifier,regressor,multi_inference,util}.cc,
model_servers/{server_core,get_model_status_impl}.cc, get_model_metadata_impl.cc, tfrt_predict_util.cc).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.serving.tensorflow_serving.requests import CLASSIFY, REGRESS, classification, example, inference, regression

TIMEOUT = 30.0
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
FAILED, UNIMPLEMENTED = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED


def named(request: Any, model: str, *, version: int | None = None, label: str = "", signature: str = "") -> Any:
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    return request


def prediction(model: str = "half", *outputs: str, **inputs: np.ndarray) -> predict_pb2.PredictRequest:
    request = named(predict_pb2.PredictRequest(output_filter=outputs), model, signature="predict")
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return request


def broken_tensor() -> predict_pb2.PredictRequest:
    request = prediction(x=np.zeros(3, np.float32))
    request.inputs["x"].tensor_content = b"123"
    return request


def status(model: str = "half", **spec: Any) -> get_model_status_pb2.GetModelStatusRequest:
    return named(get_model_status_pb2.GetModelStatusRequest(), model, **spec)


def metadata(*fields: str, model: str = "half", **spec: Any) -> get_model_metadata_pb2.GetModelMetadataRequest:
    return named(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields), model, **spec)


def mixed_models() -> inference_pb2.MultiInferenceRequest:
    request = inference("half", {"regress": REGRESS, "classify": CLASSIFY}, example(x=1))
    request.tasks[1].model_spec.name = "wine"
    return request


def empty_name() -> inference_pb2.MultiInferenceRequest:
    request = inference("half", {"regress": REGRESS, "classify": CLASSIFY}, example(x=1))
    request.tasks[1].model_spec.name = ""
    return request


X = np.zeros(1, np.float32)
ONE = example(x=1)


@dataclass(frozen=True)
class Wrong:
    """A wrong request, and what TensorFlow Serving answers."""

    request: Message
    code: grpc.StatusCode
    phrase: str
    help: str = ""
    """What this server adds."""


WRONG = {
    # Predict
    "no model spec": Wrong(predict_pb2.PredictRequest(), INVALID, "Missing ModelSpec"),
    "no name": Wrong(prediction("", x=X), INVALID, "ModelSpec has no name specified."),
    "unknown model": Wrong(
        prediction("halb", x=X), NOT_FOUND, "Servable not found for request: Latest(halb)", "did you mean 'half'"
    ),
    "unknown version": Wrong(
        named(predict_pb2.PredictRequest(), "half", version=9), NOT_FOUND,
        "Servable not found for request: Specific(half, 9)", "versions being served: 3",
    ),
    "unknown label": Wrong(
        named(predict_pb2.PredictRequest(), "half", label="gold"), INVALID, "Unrecognized servable version label: gold"
    ),
    "unknown signature": Wrong(
        named(predict_pb2.PredictRequest(), "half", signature="regres"), FAILED,
        'Serving signature key "regres" not found.', "did you mean 'regress'",
    ),
    "missing input": Wrong(
        prediction(), INVALID,
        "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
        "needs the input 'x' (float32 of shape [N])",
    ),
    "extra input": Wrong(
        prediction(x=X, z=X), INVALID,
        "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. Missing but required: {}.",
        "unknown input 'z'",
    ),
    "misnamed input": Wrong(
        prediction(X=X), INVALID,
        "input tensor alias not found in signature: X. Inputs expected to be in the set {x}.", "known: x",
    ),
    "wrong dtype": Wrong(
        prediction(x=np.zeros(1)), INVALID, "Expected input x to be float but get double", "convert it to float32"
    ),
    "broken tensor": Wrong(
        broken_tensor(), INVALID, "tensor parsing error: x", "3 bytes, but shape [3] of float32 takes 12"
    ),
    "unknown output": Wrong(
        prediction("half", "z", x=X), INVALID,
        "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
    ),
    "output twice": Wrong(prediction("half", "y", "y", x=X), INVALID, "duplicate output tensor alias: y"),
    # Classify
    "classify: no model spec": Wrong(classification_pb2.ClassificationRequest(), INVALID, "Missing ModelSpec"),
    "classify: no name": Wrong(classification("", ONE), INVALID, "ModelSpec has no name specified."),
    "classify: unknown model": Wrong(classification("halb", ONE), NOT_FOUND, "Servable not found for request: Latest(halb)"),
    "classify: unknown signature": Wrong(
        classification("half", ONE, signature="clasify"), INVALID, "No signature was found with the name: clasify",
        "did you mean 'classify'",
    ),
    "classify: a regression": Wrong(
        classification("half", ONE, signature="regress"), INVALID,
        'Expected classification signature outputs to contain at least one of "classes" or "scores"',
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/regress",
    ),
    "classify: a prediction": Wrong(
        classification("half", ONE, signature="predict"), INVALID, "No classification inputs found in SignatureDef: ",
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict",
    ),
    "classify: no examples": Wrong(classification("half", signature="classify"), INVALID, "Input is empty"),
    "classify: no input": Wrong(
        named(classification_pb2.ClassificationRequest(), "half", signature="classify"), INVALID, "Input is empty"
    ),
    "classify: examples that miss a feature": Wrong(
        classification("half", example(y=1), signature="classify"), INVALID, "Feature: x (data type: float) is required"
    ),
    "classify: a feature of another kind": Wrong(
        classification("half", example(x=b"1"), signature="classify"), INVALID, "Data types don't match"
    ),
    "classify: scores of rank 1": Wrong(
        classification("half", ONE, signature="flat_scores"), INVALID,
        "Expected Tensor shape: [batch_size num_classes] but got [1]",
    ),
    "classify: whole scores": Wrong(
        classification("half", ONE, signature="integer_scores"), INVALID, "Expected scores Tensor of DT_FLOAT. Got: int32"
    ),
    # Regress
    "regress: no model spec": Wrong(regression_pb2.RegressionRequest(), INVALID, "Missing ModelSpec"),
    "regress: unknown signature": Wrong(
        regression("half", ONE, signature="r"), INVALID, "No signature was found with the name: r", "known: "
    ),
    "regress: a classification": Wrong(
        regression("half", ONE, signature="classify"), INVALID, "Expected one output Tensor.",
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/classify",
    ),
    "regress: two inputs": Wrong(regression("half", ONE, signature="two_inputs"), INVALID, "Expected one input Tensor."),
    "regress: another output": Wrong(
        regression("half", ONE, signature="misnamed_output"), INVALID, "No regression outputs found in SignatureDef: "
    ),
    "regress: two numbers": Wrong(
        regression("half", ONE, signature="two_numbers"), INVALID,
        "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,2]",
    ),
    "regress: no examples": Wrong(regression("half"), INVALID, "Input is empty"),
    "regress: too many": Wrong(regression("half", *[ONE] * 201), INVALID, "", "limit of 200"),
    # MultiInference
    "multi: no task": Wrong(inference("half", {}, ONE), INVALID, "ModelSpec has no name specified."),
    "multi: empty name": Wrong(empty_name(), INVALID, "Found ModelSpec with an empty model name."),
    "multi: two models": Wrong(
        mixed_models(), INVALID, "All ModelSpecs in a MultiInferenceRequest must access the same model name."
    ),
    "multi: unknown model": Wrong(inference("halb", {"": REGRESS}, ONE), NOT_FOUND, "Servable not found for request"),
    "multi: unknown signature": Wrong(
        inference("half", {"r": REGRESS}, ONE), INVALID, "Requested signature not found in model graph: r"
    ),
    "multi: a method of its own": Wrong(
        inference("half", {"predict": "tensorflow/serving/predict"}, ONE), UNIMPLEMENTED,
        "Unsupported signature method_name: tensorflow/serving/predict",
    ),
    "multi: another method": Wrong(
        inference("half", {"regress": CLASSIFY}, ONE), INVALID, "Expected classification signature"
    ),
    "multi: other inputs": Wrong(
        inference("half", {"regress": REGRESS, "other_input": REGRESS}, ONE), INVALID,
        "Input tensor must be the same for all Signatures.",
    ),
    "multi: no examples": Wrong(inference("half", {"": REGRESS, "classify": CLASSIFY}), INVALID, "Input is empty"),
    # GetModelMetadata, GetModelStatus
    "metadata: no model spec": Wrong(get_model_metadata_pb2.GetModelMetadataRequest(), INVALID, "Missing ModelSpec"),
    "metadata: no field": Wrong(
        metadata(), INVALID, "GetModelMetadataRequest must specify at least one metadata_field", "signature_def"
    ),
    "metadata: unknown field": Wrong(metadata("graph"), INVALID, "is not supported", "signature_def"),
    "metadata: unknown model": Wrong(
        metadata("signature_def", model="halb"), NOT_FOUND, "Servable not found for request: Latest(halb)"
    ),
    "status: no model spec": Wrong(get_model_status_pb2.GetModelStatusRequest(), INVALID, "Missing ModelSpec"),
    "status: no name": Wrong(status(""), NOT_FOUND, "Could not find any versions of model "),
    "status: unknown model": Wrong(status("halb"), NOT_FOUND, "Could not find any versions of model halb", "'half'"),
    "status: unknown version": Wrong(status(version=9), NOT_FOUND, "Could not find version 9 of model half"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_requests_get_the_code_and_the_words_of_tensorflow_serving(
    wrong: Wrong,
    stub: prediction_service_pb2_grpc.PredictionServiceStub,
    model_stub: model_service_pb2_grpc.ModelServiceStub,
) -> None:
    calls: dict[type[Message], Callable[..., Message]] = {
        predict_pb2.PredictRequest: stub.Predict,
        classification_pb2.ClassificationRequest: stub.Classify,
        regression_pb2.RegressionRequest: stub.Regress,
        inference_pb2.MultiInferenceRequest: stub.MultiInference,
        get_model_metadata_pb2.GetModelMetadataRequest: stub.GetModelMetadata,
        get_model_status_pb2.GetModelStatusRequest: model_stub.GetModelStatus,
    }
    with pytest.raises(grpc.RpcError) as caught:
        calls[type(wrong.request)](wrong.request, TIMEOUT)
    assert caught.value.code() is wrong.code
    assert wrong.phrase in caught.value.details()
    assert wrong.help in caught.value.details()
