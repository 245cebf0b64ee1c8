"""Tensors that are written and read apart from their message, against the protobuf library's own way."""

from collections.abc import Iterator

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving import payloads
from serving.codec import CodecError, decode, encode
from serving.packed import put_packed
from serving.payloads import Payload, read_tensors
from serving.protos import prediction_pb2 as pb
from serving.wire_format import varint

DTYPES = st.sampled_from(
    ["float32", "float64", "float16", "int32", "int64", "uint8", "bool", "complex64", "complex128"]
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_side=9))
NAMED = st.dictionaries(st.text(max_size=5), ARRAYS, max_size=4)


@pytest.fixture(autouse=True, scope="module")
def even_small_ones_are_large() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(payloads, "LARGE", 1)
    yield
    patch.undo()


def whole(message: pb.PredictRequest, found: dict[str, Payload]) -> pb.PredictRequest:
    """Put payloads back."""
    for name, payload in found.items():
        put_packed(message.inputs[name], payload.field, payload.content)
    return message


def read_all(message: bytes) -> None:
    request, found = read_tensors(pb.PredictRequest, message, "inputs")
    for name, payload in found.items():
        decode(request.inputs[name], payload)


def example(arrays: dict[str, np.ndarray], *, as_content: bool = True) -> pb.PredictRequest:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="m", version_label="stable"), output_filter=["a"])
    for name, array in arrays.items():
        request.inputs[name].CopyFrom(encode(array, as_content=as_content))
    return request


@given(NAMED, st.booleans())
def test_what_is_read_apart_is_the_same_array(arrays: dict[str, np.ndarray], as_content: bool) -> None:  # noqa: FBT001
    request, found = read_tensors(
        pb.PredictRequest, example(arrays, as_content=as_content).SerializeToString(), "inputs"
    )
    assert request.model_spec == example({}).model_spec
    assert request.inputs.keys() == arrays.keys()
    for name, array in arrays.items():
        got = decode(request.inputs[name], found.get(name))
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)


def test_numbers_are_apart_and_nothing_is_copied() -> None:
    data = example({"x": np.arange(50, dtype="float32"), "y": np.arange(3.0)}).SerializeToString()
    request, found = read_tensors(pb.PredictRequest, data, "inputs")
    assert found.keys() == {"x", "y"}
    assert not request.inputs["x"].tensor_content
    for name in found:
        content = found[name].content
        assert isinstance(content, memoryview)
        assert content.obj is data
        assert np.shares_memory(decode(request.inputs[name], found[name]), np.frombuffer(data, np.uint8))


@given(NAMED, st.data())
def test_whatever_the_bytes_are_they_say_what_the_library_reads(
    arrays: dict[str, np.ndarray], data: st.DataObject
) -> None:
    message = bytearray(example(arrays, as_content=data.draw(st.booleans())).SerializeToString())
    for _ in range(data.draw(st.integers(0, 3))):
        position = data.draw(st.integers(0, len(message) - 1))
        message[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        expected = pb.PredictRequest.FromString(bytes(message))
    except DecodeError:
        with pytest.raises((DecodeError, CodecError)):  # at the latest where numbers that are apart are read
            read_all(bytes(message))
        return
    got = whole(*read_tensors(pb.PredictRequest, bytes(message), "inputs"))
    assert got.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


def test_a_number_that_does_not_end_is_refused_where_it_is_read() -> None:
    message = bytearray(example({"x": np.array([-1], "int32")}, as_content=False).SerializeToString())
    message[message.index(b"\xff\x01") + 1] = 0xFF
    with pytest.raises(DecodeError):
        pb.PredictRequest.FromString(bytes(message))
    request, found = read_tensors(pb.PredictRequest, bytes(message), "inputs")
    with pytest.raises(CodecError, match="no number"):
        decode(request.inputs["x"], found["x"])


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


TENSOR = example({"x": np.arange(5, dtype="float32")}).inputs["x"].SerializeToString()
CONTENT = field(4, bytes(20))


@pytest.mark.parametrize(
    "inputs",
    [
        field(2, field(1, b"x") + field(2, TENSOR)) * 2,
        field(2, field(1, b"x") + field(2, TENSOR) * 2),
        field(2, field(1, b"x") * 2 + field(2, TENSOR)),
        field(2, field(2, TENSOR) + field(1, b"x")),
        field(2, field(2, TENSOR)),
        field(2, field(1, b"x") + field(2, TENSOR + CONTENT)),
        field(2, field(1, b"x") + field(2, TENSOR + field(5, bytes(8)))),
        field(2, field(1, b"x") + field(2, TENSOR) + field(9, b"unknown")),
        field(2, field(1, b"x") + field(2, TENSOR)) + bytes([2 << 3, 7]),
        field(2, field(1, b"x") + field(2, b"\x08\x01" + b"\x2d\0\0\x80\x3f" * 300)),
    ],
    ids=[
        "a name twice", "a tensor in two parts", "a key twice", "the value first", "no key", "contents twice",
        "contents and values", "an unknown field", "a number where an input should be", "values one by one",
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_the_library(inputs: bytes) -> None:
    request, found = read_tensors(pb.PredictRequest, inputs, "inputs")
    assert not found
    assert request == pb.PredictRequest.FromString(inputs)


def test_half_a_number_is_refused_as_the_library_refuses_it() -> None:
    inputs = field(2, field(1, b"x") + field(2, b"\x08\x01" + field(5, bytes(7))))
    with pytest.raises(DecodeError):
        pb.PredictRequest.FromString(inputs)
    with pytest.raises(DecodeError):
        read_tensors(pb.PredictRequest, inputs, "inputs")
