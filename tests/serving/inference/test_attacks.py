"""Random and mutated requests end in an answer of the right shape, or are refused as the caller's fault."""

import random

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as peer

import serving
from tests.serving.inference.cases import CONTENTS, DATATYPE, DTYPES, example, raw_request, typed_request

INFER = "/inference.GRPCInferenceService/ModelInfer"
METHODS = [INFER] + [
    f"/inference.GRPCInferenceService/{name}"
    for name in (
        "ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics",
        "RepositoryIndex", "RepositoryModelLoad",
    )
]  # fmt: skip
THE_CALLERS_FAULT = {"INVALID_ARGUMENT", "NOT_FOUND"}
WORDS = st.sampled_from(["x", "y", "text", "", "é", "\x00"]) | st.text(max_size=5)
ITEM_BYTES = {"BOOL": 1, "FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8} | {
    f"{sign}INT{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64)
}


def send(channel: grpc.Channel, message: bytes, method: str = INFER, *, allowed: frozenset[str] = frozenset()) -> None:
    try:
        answer = channel.unary_unary(method)(message, timeout=30)
    except grpc.RpcError as error:
        assert error.code().name in THE_CALLERS_FAULT | allowed, (error.code(), error.details())  # noqa: PT017 - an answer is as good
        return
    if method == INFER:
        check(peer.ModelInferResponse.FromString(answer))


def check(response: peer.ModelInferResponse) -> None:
    """Contents are as many as the shapes say."""
    for i, output in enumerate(response.outputs):
        count = int(np.prod(list(output.shape), dtype=object))
        if not response.raw_output_contents:
            assert len(getattr(output.contents, CONTENTS[output.datatype])) == count
        elif output.datatype != "BYTES":
            assert len(response.raw_output_contents[i]) == count * ITEM_BYTES[output.datatype]


PARAMETERS = st.dictionaries(
    st.sampled_from(
        [
            "signature_name",
            "version_label",
            "timeout",
            "priority",
            "sequence_id",
            "classification",
            "shared_memory_region",
            "binary_data",
        ]
    )
    | WORDS,
    st.one_of(
        st.sampled_from(DTYPES).map(lambda text: peer.InferParameter(string_param=text)),
        st.integers(-(1 << 63), (1 << 63) - 1).map(lambda number: peer.InferParameter(int64_param=number)),
        st.integers(0, (1 << 64) - 1).map(lambda number: peer.InferParameter(uint64_param=number)),
        st.booleans().map(lambda flag: peer.InferParameter(bool_param=flag)),
        st.floats().map(lambda number: peer.InferParameter(double_param=number)),
        st.just(peer.InferParameter()),
    ),
    max_size=3,
)
SHAPES = st.lists(st.integers(-1, 4) | st.sampled_from([1 << 31, 1 << 62]), max_size=4)
DATATYPES = st.sampled_from(sorted(DATATYPE.values())) | WORDS


@st.composite
def tensors(draw: st.DrawFn) -> peer.ModelInferRequest.InferInputTensor:
    tensor = peer.ModelInferRequest.InferInputTensor(
        name=draw(st.just("x") | WORDS), datatype=draw(DATATYPES), shape=draw(SHAPES), parameters=draw(PARAMETERS)
    )
    if draw(st.booleans()):
        tensor.contents.fp32_contents.extend(draw(st.lists(st.floats(width=32), max_size=6)))
        tensor.contents.bytes_contents.extend(draw(st.lists(st.binary(max_size=4), max_size=4)))
        tensor.contents.int_contents.extend(draw(st.lists(st.integers(-300, 300), max_size=4)))
    return tensor


@st.composite
def requests(draw: st.DrawFn) -> peer.ModelInferRequest:
    outputs = [
        peer.ModelInferRequest.InferRequestedOutputTensor(name=name, parameters=draw(PARAMETERS))
        for name in draw(st.lists(st.just("y") | WORDS, max_size=2))
    ]
    return peer.ModelInferRequest(
        model_name=draw(st.just("every") | WORDS),
        model_version=draw(st.sampled_from(["", "1", "2", "-1", "x"])),
        id=draw(WORDS),
        parameters={"signature_name": peer.InferParameter(string_param=draw(st.sampled_from(DTYPES)))}
        | draw(PARAMETERS),
        inputs=draw(st.lists(tensors(), max_size=3)),
        outputs=outputs,
        raw_input_contents=draw(st.lists(st.binary(max_size=24), max_size=3)),
    )


@pytest.fixture(scope="module")
def channel(every: serving.Server) -> grpc.Channel:
    with grpc.insecure_channel(f"localhost:{every.port}") as opened:
        yield opened


@settings(max_examples=200, deadline=None)
@given(request_=requests())
def test_random_requests_never_hurt(channel: grpc.Channel, request_: peer.ModelInferRequest) -> None:
    send(channel, request_.SerializeToString(), allowed=frozenset({"UNAVAILABLE"}))  # a `timeout` of microseconds


@settings(max_examples=150, deadline=None)
@given(method=st.sampled_from(METHODS), message=st.binary(max_size=200))
def test_random_bytes_never_hurt(channel: grpc.Channel, method: str, message: bytes) -> None:
    send(channel, message, method, allowed=frozenset({"UNIMPLEMENTED"}))  # a repository's name, or an override


@pytest.mark.parametrize("dtype", ["float32", "string", "int8", "bool"])
def test_mutated_requests_never_hurt(channel: grpc.Channel, dtype: str) -> None:
    source = random.Random(dtype)  # noqa: S311 - to be repeatable
    valid = []
    for make in (raw_request, typed_request):
        request = make("every", {"x": example(dtype)}, id="id", model_version="1")
        request.parameters["signature_name"].string_param = dtype
        request.outputs.add(name="y")
        valid.append(request.SerializeToString())
    for i in range(300):
        message = bytearray(valid[i % 2])
        for _ in range(source.randint(1, 4)):
            message[source.randrange(len(message))] = source.randrange(256)
        send(channel, bytes(message))
    for message in valid:
        send(channel, message)


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(requests().map(lambda request: request.SerializeToString()) | st.binary(max_size=50), max_size=8)
)
def test_random_streams_are_answered_request_by_request(channel: grpc.Channel, messages: list[bytes]) -> None:
    call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
    answers = [peer.ModelStreamInferResponse.FromString(each) for each in call(iter(messages), timeout=30)]
    assert len(answers) == len(messages)
    for answer in answers:
        if not answer.error_message:
            check(answer.infer_response)


def test_a_request_of_many_empty_strings_takes_no_more_than_it_may(channel: grpc.Channel) -> None:
    """Each of its four bytes would become an object of 33."""
    request = peer.ModelInferRequest(model_name="every", raw_input_contents=[bytes(40 << 20)])
    request.parameters["signature_name"].string_param = "string"
    request.inputs.add(name="x", datatype="BYTES", shape=[1, 10 << 20])
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(INFER)(request.SerializeToString(), timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "the limit is" in caught.value.details()


@pytest.mark.parametrize("what", ["inputs", "outputs", "parameters"])
def test_a_request_of_a_hundred_thousand_parts_is_refused_at_once(channel: grpc.Channel, what: str) -> None:
    """Looking at each of them would hold up every other call for seconds."""
    request = peer.ModelInferRequest(model_name="every")
    for i in range(100_000):
        if what == "parameters":
            request.parameters[str(i)].bool_param = True
        else:
            getattr(request, what).add(name=str(i))
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(INFER)(request.SerializeToString(), timeout=30)
    assert f"the request has more than 4096 {what}, this server takes 4096 at most" in caught.value.details()
