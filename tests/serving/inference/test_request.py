"""What a request asks, as the rest of the server is told; requests are made by Triton's client."""

import numpy as np
import pytest
from tritonclient.grpc import InferRequestedOutput
from tritonclient.grpc import service_pb2 as peer

from serving.model_ref import ModelRef
from serving.protos import inference_pb2 as pb
from serving.services.inference.request import read_classes, read_query
from serving.signature import TensorSpec
from serving.status import StatusError
from tests.serving.inference.cases import raw_request

INPUTS = {"x": np.zeros((2, 3), np.float32)}


def ours(request: peer.ModelInferRequest) -> pb.ModelInferRequest:
    return pb.ModelInferRequest.FromString(request.SerializeToString())


def test_all_that_a_request_can_say() -> None:
    request = raw_request("m", INPUTS, model_version="3", id="seven")
    request.parameters["signature_name"].string_param = "logits"
    request.parameters["priority"].uint64_param = 2  # as the client writes it
    request.parameters["timeout"].int64_param = 1500  # microseconds
    request.outputs.append(InferRequestedOutput("y", class_count=5)._get_tensor())  # noqa: SLF001
    query = read_query(ours(request))
    assert query.model == ModelRef("m", 3)
    assert (query.signature, query.outputs) == ("logits", ["y"])
    assert (query.priority, query.queue_seconds) == (2, 0.0015)
    assert query.inputs["x"].spec == TensorSpec("float32", (2, 3))
    assert read_classes(ours(request)) == {"y": 5}


def test_what_a_request_leaves_out() -> None:
    query = read_query(ours(raw_request("m", INPUTS)))
    assert query.model == ModelRef("m")
    assert (query.signature, list(query.outputs), query.priority, query.queue_seconds) == ("", [], 0, None)


def test_parameters_that_mean_nothing_here_are_left_alone() -> None:
    request = raw_request("m", INPUTS)
    request.parameters["sequence_id"].int64_param = 7
    request.parameters["sequence_start"].bool_param = True
    request.parameters["temperature"].double_param = 0.5
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    read_query(ours(request))


@pytest.mark.parametrize("version", ["0", "1", "9223372036854775807"])
def test_versions_are_decimal_numbers(version: str) -> None:
    assert read_query(ours(raw_request("m", INPUTS, model_version=version))).model.version == int(version)


@pytest.mark.parametrize("version", ["-1", "1.0", "٣", "1 ", "0x1", "9223372036854775808", "latest"])
def test_and_nothing_else(version: str) -> None:
    with pytest.raises(StatusError, match="version should be an integral value > 0"):
        read_query(ours(raw_request("m", INPUTS, model_version=version)))


def test_more_buffers_than_inputs_are_refused() -> None:
    request = raw_request("m", INPUTS)
    request.raw_input_contents.append(b"")
    with pytest.raises(StatusError, match="raw_input_contents has 2 buffers for 1 inputs"):
        read_query(ours(request))


def test_a_class_count_that_is_no_number_is_refused() -> None:
    request = raw_request("m", INPUTS)
    request.outputs.add(name="y").parameters["classification"].string_param = "5"
    with pytest.raises(StatusError, match="invalid value type for 'classification' parameter, expected int64_param"):
        read_classes(ours(request))


def test_a_version_by_its_label() -> None:
    request = raw_request("m", INPUTS)
    request.parameters["version_label"].string_param = "stable"
    assert read_query(ours(request)).model == ModelRef("m", label="stable")
    request.model_version = "1"
    with pytest.raises(StatusError, match="a model_version and a 'version_label': send one of them"):
        read_query(ours(request))
