"""What is taken out of messages before they are parsed, against what the library reads of the whole."""

import threading
from collections.abc import Callable

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving
from serving import texts
from serving.codec import decode, encode
from serving.packed import read_varints
from serving.payloads import read_tensors
from serving.protos import inference_pb2 as oip
from serving.protos import prediction_pb2 as pb
from serving.protos import serialized_pb2 as serialized
from serving.protos.tensor_pb2 import DT_STRING, TensorProto
from serving.services import messages
from serving.services.inference.request import read_query, read_request
from serving.services.messages import parse_without_texts
from serving.status import StatusError
from serving.texts import as_array, size_of, take_texts
from serving.wire import CLASSIFY, MULTI_INFERENCE, REGRESS
from serving.wire_format import UnreadableError

FILL = [bytes(1 << 17)]
"""A text that makes a message large enough to be looked into."""
TEXTS = st.lists(st.one_of(st.binary(max_size=5), st.just(bytes(200))), max_size=5)
UNKNOWN = st.sampled_from([b"", b"\xa2\x06\x01x", b"\xa0\x06\x05", b"\xa5\x06abcd"])
PLAIN, SHARED = (2, 1, 1), (2, 2, 1)


@given(st.lists(st.tuples(st.booleans(), TEXTS, UNKNOWN), max_size=4))
def test_examples_are_those_that_the_library_reads(parts: list[tuple[bool, list[bytes], bytes]]) -> None:
    message = b""
    for is_shared, rows, unknown in parts:  # a message that follows is merged; of the two kinds the last one counts
        request = serialized.InferenceRequest()
        if is_shared:
            request.input.example_list_with_context.examples.extend(FILL + rows)
            request.input.example_list_with_context.context = b"context"
        else:
            request.input.example_list.examples.extend(FILL + rows)
        message += request.SerializeToString() + unknown
    whole = serialized.InferenceRequest.FromString(message)
    rest, (plain, shared) = parse_without_texts(serialized.InferenceRequest, message, (PLAIN, SHARED))
    listed = (*whole.input.example_list.examples, *whole.input.example_list_with_context.examples)
    if not (plain and shared):
        assert [row for rows in (*plain, *shared) for row in rows] == list(listed)
        assert rest.input.WhichOneof("kind") == whole.input.WhichOneof("kind")
        assert rest.input.example_list_with_context.context == whole.input.example_list_with_context.context
        assert not rest.input.example_list.examples


@given(
    st.dictionaries(st.sampled_from("abc"), st.tuples(TEXTS, st.booleans()), max_size=3),
    st.integers(0, 9),
    UNKNOWN,
)
def test_tensors_are_those_that_the_library_reads(
    tensors: dict[str, tuple[list[bytes], bool]], numbers: int, unknown: bytes
) -> None:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="m"))
    for name, (content, is_large) in tensors.items():
        filled = (FILL if is_large else []) + content * 100
        request.inputs[name].CopyFrom(encode(np.array([*filled, None], object)[:-1]))
    request.inputs["numbers"].CopyFrom(encode(np.arange(numbers * 1000, dtype=np.float32)))
    message = request.SerializeToString() + unknown
    found, payloads = read_tensors(pb.PredictRequest, message, "inputs")
    assert found.inputs.keys() == request.inputs.keys()
    for name, proto in request.inputs.items():
        np.testing.assert_array_equal(decode(found.inputs[name], payloads.get(name)), decode(proto))


@given(st.lists(st.tuples(st.booleans(), TEXTS), max_size=3), UNKNOWN)
def test_contents_are_those_that_the_library_reads(inputs: list[tuple[bool, list[bytes]]], unknown: bytes) -> None:
    request = oip.ModelInferRequest(model_name="m")
    is_raw = any(each for each, _ in inputs)
    for number, (_, content) in enumerate(inputs):
        held = FILL + content
        tensor = request.inputs.add(name=f"x{number}", datatype="BYTES", shape=[len(held)])
        if is_raw:
            request.raw_input_contents.append(b"".join(len(each).to_bytes(4, "little") + each for each in held))
        else:
            tensor.contents.bytes_contents.extend(held)
    parsed, apart = read_request(request.SerializeToString() + unknown)
    sources = read_query(parsed, apart).inputs
    assert not callable(sources)
    found = {name: source.read(1 << 30).tolist() for name, source in sources.items()}
    assert found == {f"x{number}": FILL + content for number, (_, content) in enumerate(inputs)}


@pytest.mark.parametrize("field", ["int_val", "int64_val", "uint32_val", "uint64_val", "bool_val", "half_val"])
@given(data=st.data())
def test_integers_are_those_that_the_library_reads(field: str, data: st.DataObject) -> None:
    """Numbers of any length, also more than fits into the field."""
    some = data.draw(st.lists(st.integers(0, (1 << 64) - 1) | st.integers(0, 300), min_size=1, max_size=9))
    packed = b"".join(map(varint, some))
    np.testing.assert_array_equal(read_varints(packed), np.array(some, np.uint64))
    dtypes = {"int_val": "int32", "int64_val": "int64", "uint32_val": "uint32", "uint64_val": "uint64"}
    dtype = np.dtype(dtypes.get(field, "bool" if field == "bool_val" else "float16"))
    count = len(some) * 5000
    start = encode(np.zeros(0, dtype)).SerializeToString()
    tensor = TensorProto.FromString(start)
    tensor.tensor_shape.dim[0].size = count
    number = TensorProto.DESCRIPTOR.fields_by_name[field].number
    tensor.MergeFromString(varint(number << 3 | 2) + varint(len(packed) * 5000) + packed * 5000)
    request = pb.PredictRequest()
    request.inputs["x"].CopyFrom(tensor)
    found, payloads = read_tensors(pb.PredictRequest, request.SerializeToString(), "inputs")
    assert payloads
    assert decoded(found.inputs["x"], payloads["x"]) == decoded(tensor, None)


def decoded(proto: TensorProto, payload: object) -> bytes | str:
    try:
        return decode(proto, payload).tobytes()  # type: ignore[arg-type]
    except ValueError as error:
        return str(error)


def varint(value: int) -> bytes:
    """As the library's own encoder, written once more."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


@pytest.mark.parametrize("packed", [b"\x80", b"\x01\xff", b"\x80" * 10 + b"\x01"])
def test_what_is_no_integer_is_refused(packed: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_varints(packed)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_found_to_be_no_message(message: bytes) -> None:
    try:
        rest, found = take_texts(message, PLAIN)
    except UnreadableError:
        return
    assert len(rest) <= len(message) + 2 * len(found)


def test_too_many_texts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MOST", 3)
    request = serialized.InferenceRequest()
    request.input.example_list.examples.extend([b"x"] * 4)
    with pytest.raises(StatusError, match="more than 3 texts"):
        take_texts(request.SerializeToString(), PLAIN)


def test_sizes_and_arrays_of_very_many() -> None:
    many = [b"ab"] * 100_000 + [b"c"]
    assert size_of(many) == 200_001
    assert as_array(many).tolist() == many


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that take texts out of requests."""
    seen: list[str] = []
    take: Callable[..., object] = messages.take_texts

    def watched(message: bytes, path: object) -> object:
        seen.append(threading.current_thread().name)
        return take(message, path)

    monkeypatch.setattr(messages, "take_texts", watched)
    return seen


@pytest.mark.parametrize("path", [CLASSIFY, REGRESS, MULTI_INFERENCE])
def test_the_loop_reads_no_large_request_of_examples(server: serving.Server, threads: list[str], path: str) -> None:
    request = serialized.InferenceRequest()
    request.input.example_list.examples.extend([b""] * 100_000)
    with grpc.insecure_channel(f"localhost:{server.port}") as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(path)(request.SerializeToString(), timeout=60)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # it names no model
    assert threads
    assert all(name.startswith("zoo-codec") for name in threads)


def test_a_text_of_dtype_string_may_stand_for_all() -> None:
    request = pb.PredictRequest()
    request.inputs["x"].CopyFrom(TensorProto(dtype=DT_STRING, string_val=FILL))
    request.inputs["x"].tensor_shape.dim.add(size=2)
    found, payloads = read_tensors(pb.PredictRequest, request.SerializeToString(), "inputs")
    assert decode(found.inputs["x"], payloads["x"]).tolist() == FILL * 2
