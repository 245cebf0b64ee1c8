"""What does not fit is refused in Triton's words, and with what to do about it."""

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from tritonclient.grpc import service_pb2 as peer
from tritonclient.grpc import service_pb2_grpc

from tests.serving.inference.cases import raw_request

X = np.array([1, 2, 3], np.float32)
A = np.array([[1, 2, 3]], np.float32)


def refused(stub: service_pb2_grpc.GRPCInferenceServiceStub, request: peer.ModelInferRequest) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request, timeout=30)
    return caught.value.code().name, caught.value.details()


def request(model: str = "affine", **changes: object) -> peer.ModelInferRequest:
    return raw_request(model, {"x": X}, **changes)


def with_tensor(**fields: object) -> peer.ModelInferRequest:
    """A request whose input is changed, its bytes not."""
    made = request()
    for name, value in fields.items():
        if name == "shape":
            made.inputs[0].ClearField("shape")
            made.inputs[0].shape.extend(value)  # type: ignore[arg-type]
        else:
            setattr(made.inputs[0], name, value)
    return made


def mixed() -> peer.ModelInferRequest:
    made = request()
    made.inputs[0].contents.fp32_contents.extend([1, 2, 3])
    return made


def twice() -> peer.ModelInferRequest:
    made = request()
    made.inputs.append(made.inputs[0])
    made.raw_input_contents.append(made.raw_input_contents[0])
    return made


def dataless() -> peer.ModelInferRequest:
    made = request()
    made.ClearField("raw_input_contents")
    return made


@pytest.mark.parametrize(
    ("made", "code", "phrase", "help_"),
    [
        (request("afine"), "NOT_FOUND", "Request for unknown model: 'afine' is not found", "did you mean 'affine'"),
        (request(model_version="9"), "NOT_FOUND", "Request for unknown model: 'affine' version 9 is not found", "1, 2"),
        (request(model_version="-1"), "INVALID_ARGUMENT", "version should be an integral value > 0", "decimal"),
        (request(model_version="9" * 30), "INVALID_ARGUMENT", "version should be an integral value > 0", "decimal"),
        (with_tensor(name="y"), "INVALID_ARGUMENT", "unexpected inference input 'y' for model 'affine'", "known: x"),
        (
            raw_request("affine", {"x": X, "z": X}),
            "INVALID_ARGUMENT",
            "expected 1 inputs but got 2 inputs for model 'affine'. Got inputs ['x','z'], but missing required inputs []. ",
            "unknown input 'z'",
        ),
        (
            raw_request("sum", {"a": A}),
            "INVALID_ARGUMENT",
            "expected 2 inputs but got 1 inputs for model 'sum'. Got inputs ['a'], but missing required inputs ['b']. ",
            "int32 of shape [N, 3]",
        ),
        (
            with_tensor(datatype="INT32"),
            "INVALID_ARGUMENT",
            "inference input 'x' data-type is 'INT32', but model 'affine' expects 'FP32'",
            "convert it to float32",
        ),
        (with_tensor(datatype="FLOAT32"), "INVALID_ARGUMENT", "unknown datatype 'FLOAT32'", "did you mean"),
        (
            with_tensor(shape=[1, 3]),
            "INVALID_ARGUMENT",
            "unexpected shape for input 'x' for model 'affine'. Expected [-1], got [1,3]",
            "of rank 2",
        ),
        (with_tensor(shape=[-3]), "INVALID_ARGUMENT", "has a negative dimension", "[-3]"),
        (
            with_tensor(shape=[2]),
            "INVALID_ARGUMENT",
            "input byte size mismatch for input 'x' for model 'affine'. Expected 8, got 12",
            "2 values",
        ),
        (
            raw_request("affine", {"x": np.zeros(101, np.float32)}),
            "INVALID_ARGUMENT",
            "inference request batch-size must be <= 100 for 'affine'",
            "limit of 100",
        ),
        (
            raw_request("sum", {"a": A, "b": np.zeros((2, 3), np.int32)}),
            "INVALID_ARGUMENT",
            "input 'b' batch size does not match other inputs for 'sum'",
            "'a' has 1, 'b' has 2",
        ),
        (
            request(outputs=[peer.ModelInferRequest.InferRequestedOutputTensor(name="z")]),
            "INVALID_ARGUMENT",
            "unexpected inference output 'z' for model 'affine'",
            "known: y",
        ),
        (mixed(), "INVALID_ARGUMENT", "contents field must not be specified when using raw_input_contents", "'x'"),
        (twice(), "INVALID_ARGUMENT", "input 'x' already exists in request", "once"),
        (dataless(), "INVALID_ARGUMENT", "unable to find data for input tensor 'x' for model 'affine'", "request"),
        (
            request(parameters={"signature_name": peer.InferParameter(string_param="nothing")}),
            "INVALID_ARGUMENT",
            "not found in signature def",
            "known: serving_default",
        ),
        (
            request(parameters={"priority": peer.InferParameter(string_param="high")}),
            "INVALID_ARGUMENT",
            "invalid value type for 'priority' parameter",
            "uint64_param",
        ),
        (
            request(parameters={"timeout": peer.InferParameter(int64_param=-1)}),
            "INVALID_ARGUMENT",
            "invalid value for 'timeout'",
            ">= 0",
        ),
        (
            request(parameters={"triton_secret": peer.InferParameter(bool_param=True)}),
            "INVALID_ARGUMENT",
            "parameter keys starting with 'triton_' are reserved",
            "triton_enable_empty_final_response",
        ),
    ],
)
def test_a_refusal_has_tritons_words_and_says_what_to_do(
    stub: service_pb2_grpc.GRPCInferenceServiceStub,
    made: peer.ModelInferRequest,
    code: str,
    phrase: str,
    help_: str,
) -> None:
    assert (found := refused(stub, made))[0] == code
    assert phrase in found[1]
    assert help_ in found[1]


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (with_tensor(datatype="INT32"), 'inputs["x"]'),
        (with_tensor(shape=[2]), 'inputs["x"]'),
        (request(model_version="x"), "model_version"),
        (request(outputs=[peer.ModelInferRequest.InferRequestedOutputTensor(name="z")]), "outputs"),
        (
            request(parameters={"signature_name": peer.InferParameter(string_param="z")}),
            'parameters["signature_name"]',
        ),
        (request("nobody"), "model_name"),
    ],
)
def test_a_refusal_names_the_field(
    stub: service_pb2_grpc.GRPCInferenceServiceStub, made: peer.ModelInferRequest, field: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(made, timeout=30)
    packed = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    details = error_details_pb2.BadRequest()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(details)
    assert [violation.field for violation in details.field_violations] == [field]
