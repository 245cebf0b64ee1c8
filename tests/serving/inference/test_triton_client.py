"""Triton's own client, synchronous; what it does not send is sent by its stubs."""

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tritonclient.grpc import InferenceServerClient, InferRequestedOutput, model_config_pb2, service_pb2_grpc
from tritonclient.grpc import service_pb2 as peer
from tritonclient.utils import InferenceServerException

from tests.serving.inference.cases import raw_request, triton_input, typed_request

X = np.array([1, 2, 3], np.float32)
A, B = np.array([[1, 2, 3]], np.float32), np.array([[10, 20, 30]], np.int32)


def refused(stub: service_pb2_grpc.GRPCInferenceServiceStub, request: peer.ModelInferRequest) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request, timeout=30)
    return caught.value.code().name, caught.value.details()


def test_the_server_and_its_models_are_ready(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("affine")
    assert triton.is_model_ready("affine", "1")
    assert not triton.is_model_ready("affine", "9")
    assert not triton.is_model_ready("nobody")


def test_a_version_that_is_no_number_is_refused(triton: InferenceServerClient) -> None:
    with pytest.raises(
        InferenceServerException, match="failed to get model version from specified version string 'new'"
    ):
        triton.is_model_ready("affine", "new")


def test_server_metadata(triton: InferenceServerClient) -> None:
    metadata = triton.get_server_metadata()
    assert metadata.name == "keras-zoo"
    assert {"classification", "statistics", "model_repository"} <= set(metadata.extensions)
    assert "system_shared_memory" not in metadata.extensions


def test_model_metadata(triton: InferenceServerClient) -> None:
    metadata = triton.get_model_metadata("sum")
    assert (metadata.name, list(metadata.versions), metadata.platform) == ("sum", ["1"], "tensorflow_savedmodel")
    inputs = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs}
    outputs = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in metadata.outputs}
    assert inputs == {"a": ("FP32", [-1, 3]), "b": ("INT32", [-1, 3])}
    assert outputs == {"total": ("FP32", [-1, 3]), "rows": ("INT32", [1])}
    assert list(triton.get_model_metadata("affine").versions) == ["1", "2"]


def test_the_config_of_a_model_that_takes_batches(triton: InferenceServerClient) -> None:
    config = triton.get_model_config("affine").config
    assert (config.name, config.platform, config.backend) == ("affine", "tensorflow_savedmodel", "tensorflow")
    assert config.max_batch_size == 100
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [("x", model_config_pb2.TYPE_FP32, [])]
    assert config.version_policy.WhichOneof("policy_choice") == "all"
    assert config.parameters["signature_names"].string_value == "serving_default"


def test_the_config_of_a_model_with_an_output_that_is_no_batch(triton: InferenceServerClient) -> None:
    config = triton.get_model_config("sum").config
    assert config.max_batch_size == 0
    assert {i.name: list(i.dims) for i in config.input} == {"a": [-1, 3], "b": [-1, 3]}
    assert {o.name: list(o.dims) for o in config.output} == {"total": [-1, 3], "rows": [1]}


def test_infer(triton: InferenceServerClient) -> None:
    result = triton.infer("affine", [triton_input("x", X)], request_id="seven")
    assert result.as_numpy("y").tolist() == [3.5, 4, 4.5]
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("seven", "affine", "2")


def test_a_version_can_be_chosen(triton: InferenceServerClient) -> None:
    result = triton.infer("affine", [triton_input("x", X)], model_version="1")
    assert result.as_numpy("y").tolist() == [2.5, 3, 3.5]
    assert result.get_response().model_version == "1"


def test_several_inputs_and_chosen_outputs(triton: InferenceServerClient) -> None:
    inputs = [triton_input("b", B), triton_input("a", A)]
    result = triton.infer("sum", inputs, outputs=[InferRequestedOutput("total")])
    assert result.as_numpy("total").tolist() == [[11, 22, 33]]
    assert [output.name for output in result.get_response().outputs] == ["total"]


def test_strings_and_a_signature_by_parameter(triton: InferenceServerClient) -> None:
    text = np.array(["zoo", "é"], dtype=object)
    result = triton.infer("sum", [triton_input("text", text)], parameters={"signature_name": "length"})
    assert result.as_numpy("length").tolist() == [3, 1]
    assert result.as_numpy("text").tolist() == [b"zoo", "é".encode()]


def test_typed_contents_are_answered_typed(stub: service_pb2_grpc.GRPCInferenceServiceStub) -> None:
    response = stub.ModelInfer(typed_request("sum", {"a": A, "b": B}), timeout=30)
    outputs = {output.name: output for output in response.outputs}
    assert not response.raw_output_contents
    assert list(outputs["total"].contents.fp32_contents) == [11, 22, 33]
    assert list(outputs["rows"].contents.int_contents) == [1]
    assert list(outputs["total"].shape) == [1, 3]


def test_raw_contents_are_answered_raw(stub: service_pb2_grpc.GRPCInferenceServiceStub) -> None:
    response = stub.ModelInfer(raw_request("affine", {"x": X}), timeout=30)
    assert [np.frombuffer(raw, "<f4").tolist() for raw in response.raw_output_contents] == [[3.5, 4, 4.5]]
    assert not any(output.HasField("contents") for output in response.outputs)


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


def test_metadata_of_a_model_that_is_not_there(triton: InferenceServerClient) -> None:
    for ask in (triton.get_model_metadata, triton.get_model_config):
        with pytest.raises(InferenceServerException, match="Request for unknown model: 'nobody' is not found"):
            ask("nobody")


def test_priority_and_timeout_are_understood(triton: InferenceServerClient) -> None:
    result = triton.infer("affine", [triton_input("x", X)], priority=1, timeout=10_000_000)
    assert result.as_numpy("y").tolist() == [3.5, 4, 4.5]


def test_a_request_that_waits_longer_than_it_wants_to_is_not_computed(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="Request timeout expired") as caught:
        triton.infer("affine", [triton_input("x", X)], timeout=1)  # a microsecond: no turn comes so soon
    assert caught.value.status() == "StatusCode.UNAVAILABLE"


def test_shared_memory_is_refused_in_words(triton: InferenceServerClient) -> None:
    given = triton_input("x", X)
    given.set_shared_memory("region", 12)
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        triton.infer("affine", [given])
    wanted = InferRequestedOutput("y")
    wanted.set_shared_memory("region", 12)
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        triton.infer("affine", [triton_input("x", X)], outputs=[wanted])
    for call in (
        triton.get_system_shared_memory_status,
        triton.get_cuda_shared_memory_status,
        lambda: triton.register_system_shared_memory("region", "/region", 12),
    ):
        with pytest.raises(InferenceServerException, match="shared memory is not supported") as caught:
            call()
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


def test_trace_and_log_settings_are_refused_in_words(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="does not support trace"):
        triton.get_trace_settings()
    with pytest.raises(InferenceServerException, match="does not support dynamic logging"):
        triton.get_log_settings()


def test_reflection_describes_the_service_under_its_true_name(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "inference.GRPCInferenceService" in database.get_services()
    file = database.FindFileContainingSymbol("inference.GRPCInferenceService")
    methods = {method.name: method for service in file.service for method in service.method}
    assert methods["ModelInfer"].input_type == ".inference.ModelInferRequest"
    assert methods["ModelStreamInfer"].client_streaming
    assert methods["ModelStreamInfer"].server_streaming
    assert "zoo_wire" not in str(file)
