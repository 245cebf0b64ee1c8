"""The codec against TensorFlow's own, which did not write it."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow.core.framework import tensor_pb2 as peer_pb2

from serving.codec import CodecError, decode, decoded_size, encode, read_spec
from serving.protos import tensor_pb2 as pb

DTYPES = [
    "float16", "float32", "float64", ml_dtypes.bfloat16, "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128",
]  # fmt: skip


def example(dtype: object) -> np.ndarray:
    return np.array([[0, 1, 2], [3, 100, 7]]).astype(np.dtype(dtype))


def to_ours(peer: peer_pb2.TensorProto) -> pb.TensorProto:
    return pb.TensorProto.FromString(peer.SerializeToString())


def to_peer(ours: pb.TensorProto) -> peer_pb2.TensorProto:
    return peer_pb2.TensorProto.FromString(ours.SerializeToString())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reads_what_tensorflow_writes(dtype: object) -> None:
    expected = example(dtype)
    decoded = decode(to_ours(tf.make_tensor_proto(expected)))
    assert decoded.dtype == expected.dtype
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("as_content", [True, False], ids=["content", "values"])
def test_tensorflow_reads_what_we_write(dtype: object, as_content: bool) -> None:  # noqa: FBT001 - a case
    expected = example(dtype)
    proto = to_peer(encode(expected, as_content=as_content))
    assert bool(proto.tensor_content) == as_content
    np.testing.assert_array_equal(tf.make_ndarray(proto), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_typed_values_come_back_exactly(dtype: object) -> None:
    np.testing.assert_array_equal(decode(encode(example(dtype), as_content=False)), example(dtype))


def test_strings_of_any_kind_travel_as_bytes() -> None:
    for array in (np.array([["a", "é"]]), np.array([[b"a", "é".encode()]], dtype=object)):
        proto = encode(array)
        assert list(to_peer(proto).string_val) == [b"a", "é".encode()]
        assert decode(proto).tolist() == [[b"a", "é".encode()]]


@given(
    hnp.arrays(
        dtype=st.one_of(hnp.floating_dtypes(sizes=(32, 64)), hnp.integer_dtypes(), hnp.boolean_dtypes()),
        shape=hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_every_array_survives_the_round_trip(array: np.ndarray, as_content: bool) -> None:  # noqa: FBT001
    decoded = decode(encode(array, as_content=as_content))
    assert decoded.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(decoded, array)


def test_one_value_fills_the_shape() -> None:
    peer = tf.make_tensor_proto(5.0, shape=[2, 3])
    assert len(peer.float_val) == 1
    np.testing.assert_array_equal(decode(to_ours(peer)), np.full((2, 3), 5, np.float32))


def proto_of(shape: list[int], **fields: object) -> pb.TensorProto:
    dims = [pb.TensorShapeProto.Dim(size=size) for size in shape]
    return pb.TensorProto(tensor_shape=pb.TensorShapeProto(dim=dims), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (proto_of([2, 2], dtype=pb.DT_FLOAT, tensor_content=b"1234567"), "7 bytes.*takes 16"),
        (proto_of([3], dtype=pb.DT_FLOAT, float_val=[1, 2]), "2 values.*takes 3"),
        (proto_of([3], dtype=pb.DT_FLOAT), "0 values.*takes 3"),
        (proto_of([3], dtype=pb.DT_FLOAT, int_val=[1, 2, 3]), "float_val has 0 values"),
        (proto_of([-1], dtype=pb.DT_FLOAT, float_val=[1]), "negative"),
        (proto_of([1 << 40, 1 << 40], dtype=pb.DT_FLOAT, float_val=[1]), "the limit is"),
        (proto_of([1 << 62, 0], dtype=pb.DT_FLOAT), "the limit is"),
        (proto_of([1 << 40], dtype=pb.DT_STRING, string_val=[b"x"]), "the limit is"),
        (proto_of([1], dtype=pb.DT_UINT8, int_val=[300]), "300, which is no uint8"),
        (proto_of([1], dtype=pb.DT_HALF, half_val=[-1]), "-1, which is no uint16"),
        (proto_of([1], dtype=pb.DT_BOOL, tensor_content=b"\x02"), "other than 0 and 1"),
        (proto_of([1], dtype=pb.DT_COMPLEX64, scomplex_val=[1, 2, 3]), "takes two"),
        (proto_of([1], dtype=pb.DT_STRING, tensor_content=b"x"), "string_val"),
        (proto_of([1] * 40, dtype=pb.DT_FLOAT, float_val=[1]), "40 dimensions"),
        (proto_of([1]), "DT_INVALID is not supported"),
        (proto_of([1], dtype=11), "DataType 11 is not supported"),
        (pb.TensorProto(dtype=pb.DT_FLOAT, tensor_shape=pb.TensorShapeProto(unknown_rank=True)), "unknown rank"),
    ],
)
def test_a_message_that_contradicts_itself_is_refused(proto: pb.TensorProto, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        decode(proto)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_read_but_nothing_else(message: bytes) -> None:
    try:
        proto = pb.TensorProto.FromString(message)
    except Exception:  # noqa: BLE001 - not a TensorProto at all
        return
    try:
        array = decode(proto, max_bytes=1 << 16)
    except CodecError:
        return
    assert array.nbytes <= 1 << 16


def string_of(shape: list[int], *values: bytes) -> pb.TensorProto:
    return proto_of(shape, dtype=pb.DT_STRING, string_val=list(values))


def test_one_string_for_many_counts_as_often_as_it_is_repeated() -> None:
    with pytest.raises(CodecError, match="the limit is"):
        decode(string_of([4096], b"x" * 1000), max_bytes=4_000_000)
    assert decode(string_of([4096], b"x" * 900), max_bytes=4_000_000).shape == (4096,)
    assert decoded_size(string_of([2], b"abc", b"de")) == 2 * 32 + 5
    assert decoded_size(string_of([4], b"abc")) == 4 * (32 + 3)


def test_the_size_of_numbers_is_known_before_they_are_decoded() -> None:
    assert decoded_size(proto_of([3, 5], dtype=pb.DT_DOUBLE, double_val=[1])) == 3 * 5 * 8
    assert read_spec(proto_of([3, 5], dtype=pb.DT_DOUBLE, double_val=[1])) == ("float64", (3, 5))


def test_large_arrays_in_typed_values_come_back(  # more than one chunk, and lengths of several bytes
) -> None:
    for array in (np.arange(200_000, dtype=np.float32), np.arange(200_000, dtype=np.int64), np.ones(200_000, bool)):
        proto = encode(array, as_content=False)
        np.testing.assert_array_equal(tf.make_ndarray(to_peer(proto)), array)


def test_an_array_without_a_wire_type_is_refused() -> None:
    with pytest.raises(CodecError, match="datetime64"):
        encode(np.array(["2026-01-01"], dtype="datetime64[D]"))
    with pytest.raises(CodecError, match="holds dict"):
        encode(np.array([{}], dtype=object))
