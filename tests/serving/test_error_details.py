"""What a refusal tells a program, read back from real calls with google.rpc's own messages."""

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

from serving.codec import encode
from serving.error_details import details_of
from serving.protos import prediction_pb2 as pb
from serving.status import Code, StatusError

PREDICT = "/tensorflow.serving.PredictionService/Predict"


def refusal(channel: grpc.Channel, **inputs: np.ndarray) -> status_pb2.Status:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="affine"))
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(encode(array))
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(PREDICT)(request.SerializeToString(), timeout=30)
    trailing = dict(caught.value.trailing_metadata())
    found = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert (found.code, found.message) == (caught.value.code().value[0], caught.value.details())
    return found


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"z": np.zeros(1, np.float32)}, 'inputs["z"]'),
        ({}, "inputs"),
        ({"x": np.zeros(1)}, 'inputs["x"]'),
        ({"x": np.zeros((1, 1), np.float32)}, 'inputs["x"]'),
        ({"x": np.zeros(0, np.float32)}, "inputs"),
    ],
    ids=["unknown name", "none", "dtype", "rank", "no rows"],
)
def test_a_bad_request_names_the_field(channel: grpc.Channel, inputs: dict[str, np.ndarray], field: str) -> None:
    found = refusal(channel, **inputs)
    bad = error_details_pb2.BadRequest()
    assert found.details[0].Unpack(bad)
    assert [(violation.field, violation.description) for violation in bad.field_violations] == [(field, found.message)]


@pytest.mark.parametrize("name", ["n" * 20_000, "\N{SNOWMAN}" * 20_000], ids=["ascii", "others"])
def test_whatever_a_caller_writes_the_refusal_fits_into_what_clients_take(channel: grpc.Channel, name: str) -> None:
    bad = error_details_pb2.BadRequest()
    for _ in range(20):  # past 8 kB gRPC's clients refuse some, by chance
        request = pb.PredictRequest(model_spec=pb.ModelSpec(name="affine"))
        request.inputs[name].CopyFrom(encode(np.zeros(1)))
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(PREDICT)(request.SerializeToString(), timeout=30)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        trailing = dict(caught.value.trailing_metadata())
        assert status_pb2.Status.FromString(trailing["grpc-status-details-bin"]).details[0].Unpack(bad)
        assert f'inputs["{name}'.startswith(bad.field_violations[0].field)


def test_who_is_to_come_again_is_told_when() -> None:
    packed = details_of(StatusError(Code.RESOURCE_EXHAUSTED, "full", retry_after=1.25))
    assert packed is not None
    retry = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.25


def test_an_error_with_nothing_more_to_say_has_no_details() -> None:
    assert details_of(StatusError(Code.NOT_FOUND, "gone")) is None
