"""Triton's own client, synchronous; what it does not send is sent by its stubs."""

from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tritonclient.grpc import InferenceServerClient, InferRequestedOutput, model_config_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

import serving
from tests.serving.inference.cases import raw_request, triton_input, typed_request

X = np.array([1, 2, 3], np.float32)
A, B = np.array([[1, 2, 3]], np.float32), np.array([[10, 20, 30]], np.int32)


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


def test_metadata_of_another_signature(triton: InferenceServerClient) -> None:
    headers = {"zoo-signature": "length"}
    metadata = triton.get_model_metadata("sum", headers=headers)
    assert [(tensor.name, tensor.datatype) for tensor in metadata.inputs] == [("text", "BYTES")]
    config = triton.get_model_config("sum", headers=headers).config
    assert [(tensor.name, tensor.data_type) for tensor in config.input] == [("text", model_config_pb2.TYPE_STRING)]
    with pytest.raises(InferenceServerException, match='"lenght" not found in signature def; did you mean'):
        triton.get_model_metadata("sum", headers={"zoo-signature": "lenght"})


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


def test_a_version_can_be_chosen_by_its_label(repository: Path, tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text(
        f"""model_config_list {{ config {{
            name: "affine" base_path: "{repository / "affine"}" model_platform: "tensorflow"
            model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: 1 }}
        }} }}"""
    )
    with (
        serving.Server(port=0, poll_seconds=0, model_config_file=config) as server,
        InferenceServerClient(f"localhost:{server.port}") as triton,
    ):
        result = triton.infer("affine", [triton_input("x", X)], parameters={"version_label": "stable"})
        assert (result.as_numpy("y").tolist(), result.get_response().model_version) == ([2.5, 3, 3.5], "1")
        with pytest.raises(InferenceServerException, match="Unrecognized servable version label"):
            triton.infer("affine", [triton_input("x", X)], parameters={"version_label": "canary"})


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
