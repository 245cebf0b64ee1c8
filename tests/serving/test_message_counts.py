"""Requests that name more than anyone needs are refused before they are parsed, and hold nobody up."""

import grpc
import pytest
from grpc_health.v1 import health_pb2
from tensorflow_serving.apis import inference_pb2, predict_pb2, prediction_service_pb2_grpc

from serving.protos import prediction_pb2 as pb
from serving.services.message_counts import MOST, check_counts
from serving.status import StatusError


def many_inputs(count: int) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "affine"
    for number in range(count):
        request.inputs[f"input {number}"].dtype = 1
    return request


def refusal(channel: grpc.Channel, method: str, request: object) -> tuple[str, str]:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        getattr(stub, method)(request, timeout=60)
    return caught.value.code().name, caught.value.details()


def test_inputs_outputs_and_tasks_are_counted(channel: grpc.Channel) -> None:
    outputs = predict_pb2.PredictRequest(output_filter=map(str, range(MOST + 1)))
    tasks = inference_pb2.MultiInferenceRequest(tasks=[inference_pb2.InferenceTask()] * (MOST + 1))
    for method, request, what in (
        ("Predict", many_inputs(MOST + 1), "inputs"),
        ("Predict", outputs, "output_filter"),
        ("MultiInference", tasks, "tasks"),
    ):
        expected = f"the request has more than {MOST} {what}, this server takes {MOST} at most"
        assert refusal(channel, method, request) == ("INVALID_ARGUMENT", expected)


def test_as_many_as_may_be_are_looked_at_and_the_first_few_told(channel: grpc.Channel) -> None:
    code, details = refusal(channel, "Predict", many_inputs(MOST))
    assert code == "INVALID_ARGUMENT"
    assert details.startswith(f"input size does not match signature: {MOST}!=1")
    assert ",...}" in details


def test_dimensions_beyond_any_tensor_are_not_listed(channel: grpc.Channel) -> None:
    request = many_inputs(0)
    request.inputs["x"].dtype = 1
    for _ in range(10_000):
        request.inputs["x"].tensor_shape.dim.add(size=1)
    assert "a tensor of 10000 dimensions is not supported" in refusal(channel, "Predict", request)[1]


def test_strings_that_are_not_as_many_as_the_shape_takes_are_not_measured(channel: grpc.Channel) -> None:
    request = many_inputs(0)
    request.model_spec.name, request.model_spec.signature_name = "sum", "length"
    tensor = request.inputs["text"]
    tensor.dtype = 7
    tensor.tensor_shape.dim.add(size=3)
    tensor.string_val.extend([b"ab"] * 1000)
    assert "string_val has 1000 values, but shape [3] takes 3" in refusal(channel, "Predict", request)[1]


def test_health_is_answered_while_a_request_of_many_inputs_is_refused(channel: grpc.Channel) -> None:
    message = many_inputs(100_000).SerializeToString()
    predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check", response_deserializer=health_pb2.HealthCheckResponse.FromString
    )
    refused = [predict.future(message, timeout=60) for _ in range(8)]
    assert check(b"", timeout=10).status == health_pb2.HealthCheckResponse.SERVING
    assert {each.code() for each in refused} == {grpc.StatusCode.INVALID_ARGUMENT}


@pytest.mark.parametrize("broken", [b"\xff" * 9000, b"\x0a\xff\xff\xff\xff\x0f" + b"a" * 9000, b"\x0f" + b"\0" * 9000])
def test_what_cannot_be_counted_is_left_to_the_library(broken: bytes) -> None:
    check_counts(pb.PredictRequest, broken, ["inputs"])


@pytest.mark.parametrize("unknown", [b"\x98\x06\x01", b"\x9b\x06\x9c\x06"], ids=["a number", "a group"])
def test_what_hides_behind_fields_that_nobody_knows_is_counted_too(unknown: bytes) -> None:
    with pytest.raises(StatusError, match="more than 4096 inputs"):
        check_counts(pb.PredictRequest, unknown + b"\x12\x00" * (MOST + 1), ["inputs"])
    with pytest.raises(StatusError, match="more than 16384 fields"):
        check_counts(pb.PredictRequest, unknown * (4 * MOST + 1), ["inputs"])


@pytest.mark.parametrize("field", ["inputs", "output_filter"])
def test_a_field_of_a_number_or_of_fixed_width_is_passed_over(field: str) -> None:
    number = pb.PredictRequest.DESCRIPTOR.fields_by_name[field].number
    others = b"\x98\x06\x01" + b"\x9d\x06" + bytes(4) + b"\x99\x06" + bytes(8)
    message = others + bytes([number << 3 | 2, 0]) * (MOST + 1)
    with pytest.raises(StatusError, match=f"more than 4096 {field}"):
        check_counts(pb.PredictRequest, message, [field])
    check_counts(pb.PredictRequest, message[:-2], [field])


@pytest.mark.parametrize("field", [b"\x78\x01", b"\x7a\x00"], ids=["numbers", "bytes"])
def test_fields_that_the_message_does_not_have_are_not_counted_to_their_end(field: bytes) -> None:
    """A gigabyte of them, a megabyte while compressed, would keep a thread for minutes."""
    with pytest.raises(StatusError, match=r"more than 16384 fields"):
        check_counts(pb.PredictRequest, field * (1 << 20), ["inputs"])


def test_any_method_refuses_fields_without_end(channel: grpc.Channel) -> None:
    message = b"\x78\x01" * (1 << 21)
    for method in ("tensorflow.serving.PredictionService/Predict", "inference.GRPCInferenceService/ModelInfer"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/{method}")(message, timeout=60)
        assert "more than 16384 fields" in caught.value.details()
