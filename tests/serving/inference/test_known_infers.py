"""ModelInferRequests that are recognised by their bytes get the answers of arithmetic, and of a request of other bytes."""

from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tritonclient.grpc import service_pb2 as peer

import serving
from tests.serving.inference.cases import DTYPES, example, raw_request, typed_request

INFER = "/inference.GRPCInferenceService/ModelInfer"
UNKNOWN = b"\xa2\x06\x01x"
"""A field that no request has; with it, a request is the same and its bytes are others."""


@pytest.fixture(scope="module")
def channel(server: serving.Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"localhost:{server.port}") as opened:
        yield opened


def ask(channel: grpc.Channel, message: bytes) -> peer.ModelInferResponse | str:
    try:
        return peer.ModelInferResponse.FromString(channel.unary_unary(INFER)(message, timeout=30))
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def array_of(response: peer.ModelInferResponse, name: str) -> np.ndarray:
    at = [output.name for output in response.outputs].index(name)
    return np.frombuffer(response.raw_output_contents[at], np.float32).reshape(tuple(response.outputs[at].shape))


@st.composite
def askings(draw: st.DrawFn) -> peer.ModelInferRequest:
    rows = draw(st.integers(0, 3))
    model = draw(st.sampled_from(["affine", "sum", "nobody"]))
    numbers = st.integers(-9, 9)
    if model == "sum":
        arrays = {
            name: draw(hnp.arrays(dtype, (rows, 3), elements=numbers)) for name, dtype in (("a", "f4"), ("b", "i4"))
        }
    else:
        arrays = {"x": draw(hnp.arrays(draw(st.sampled_from(["f4", "f4", "f8"])), (rows,), elements=numbers))}
    make = draw(st.sampled_from([raw_request, raw_request, typed_request]))
    return make(model, arrays, id=draw(st.sampled_from(["", "1", "2", "long"])))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(askings(), min_size=3, max_size=6))
def test_requests_in_any_order_are_answered_as_if_each_were_the_first(
    channel: grpc.Channel, asked: list[peer.ModelInferRequest]
) -> None:
    for request in [*asked, *asked]:
        message = request.SerializeToString()
        answer, afresh = ask(channel, message), ask(channel, message + UNKNOWN)
        assert answer == afresh
        if isinstance(answer, str) or not request.raw_input_contents:
            continue
        assert answer.id == request.id
        sent = [
            np.frombuffer(raw, {"FP32": "f4", "INT32": "i4"}[tensor.datatype]).reshape(tuple(tensor.shape))
            for raw, tensor in zip(request.raw_input_contents, request.inputs, strict=True)
        ]
        if request.model_name == "affine":
            np.testing.assert_array_equal(array_of(answer, "y"), sent[0] / 2 + 3)
        else:
            np.testing.assert_array_equal(array_of(answer, "total"), sent[0] + sent[1].astype(np.float32))


def test_requests_that_differ_in_their_numbers_and_id_are_recognised(channel: grpc.Channel, found: list[bool]) -> None:
    for value in range(5):
        x = np.full(83, value, np.float32)
        answer = ask(channel, raw_request("affine", {"x": x}, id=f"no {value}").SerializeToString())
        assert not isinstance(answer, str)
        assert answer.id == f"no {value}"
        np.testing.assert_array_equal(array_of(answer, "y"), x / 2 + 3)
    assert found[:4] == [False] * 4, "the first two: by what answers at once, then by the handler"
    assert found[4:]
    assert all(found[4:])


def test_an_id_that_is_no_text_is_refused_of_a_recognised_request_too(channel: grpc.Channel, found: list[bool]) -> None:
    message = raw_request("affine", {"x": np.zeros(84, np.float32)}, id="ab").SerializeToString()
    for _ in range(3):
        assert not isinstance(ask(channel, message), str)
    broken = message.replace(b"\x1a\x02ab", b"\x1a\x02a\xff")
    assert found[-1]
    assert broken != message
    assert ask(channel, broken) == ask(channel, broken + UNKNOWN)
    assert str(ask(channel, broken)).startswith("INVALID_ARGUMENT")


@pytest.mark.parametrize("name", ["priority", "timeout"])
def test_what_is_said_of_its_turn_is_read_each_time(channel: grpc.Channel, found: list[bool], name: str) -> None:
    request = raw_request("affine", {"x": np.zeros(85, np.float32)})
    request.parameters[name].int64_param = 2_000_000
    for _ in range(4):
        assert not isinstance(ask(channel, request.SerializeToString()), str)
    assert not any(found)


def test_classes_are_told_of_a_recognised_request(channel: grpc.Channel, found: list[bool]) -> None:
    for value in range(4):
        request = raw_request("affine", {"x": np.array([value, 1, 9, 4], np.float32)})
        request.outputs.add(name="y").parameters["classification"].int64_param = 1
        message = request.SerializeToString()
        answer = ask(channel, message)
        assert answer == ask(channel, message + UNKNOWN)
        assert not isinstance(answer, str)
        assert answer.outputs[0].datatype == "BYTES"
    assert any(found)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_answered_bit_for_bit(every: serving.Server, dtype: str) -> None:
    request = raw_request("every", {"x": example(dtype)})
    request.parameters["signature_name"].string_param = dtype
    with grpc.insecure_channel(f"localhost:{every.port}") as channel:
        answers = [ask(channel, request.SerializeToString()) for _ in range(4)]
    assert not isinstance(answers[0], str)
    assert answers[0].raw_output_contents[0] == request.raw_input_contents[0]
    assert all(answer == answers[0] for answer in answers)
