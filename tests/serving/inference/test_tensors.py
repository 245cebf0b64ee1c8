"""Tensors of the protocol, held against bytes written by hand and by Triton's client."""

import struct

import numpy as np
import pytest
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from serving.codec import CodecError
from serving.protos import inference_pb2 as pb
from serving.services.inference.tensors import WIRE, InferSource, datatype_of, put_contents, to_raw
from serving.signature import TensorSpec
from tests.serving.inference.cases import DTYPES, datatype, example

PLENTY = 1 << 20


def source(kind: str, *shape: int, raw: bytes | None = None, **contents: object) -> InferSource:
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=kind, shape=shape)
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return InferSource("m", tensor, raw)


@pytest.mark.parametrize("dtype", DTYPES)
def test_raw_contents_come_back_exactly(dtype: str) -> None:
    expected = example(dtype)
    read = source(datatype(expected), 2, 3, raw=to_raw(expected)).read(PLENTY)
    assert read.dtype == expected.dtype
    assert read.tolist() == expected.tolist() or read.tobytes() == expected.tobytes()  # NaN is not itself


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype not in {"float16", "bfloat16"}])
def test_typed_contents_come_back_exactly(dtype: str) -> None:
    expected = example(dtype)
    made = source(datatype(expected), 2, 3)
    put_contents(made.tensor.contents, expected, WIRE[datatype(expected)].field or "")
    read = made.read(PLENTY)
    assert read.dtype == expected.dtype
    assert read.tolist() == expected.tolist() or read.tobytes() == expected.tobytes()


def test_strings_are_written_as_the_client_writes_and_reads_them() -> None:
    texts = example("string")
    assert to_raw(texts) == serialize_byte_tensor(texts).item()
    assert deserialize_bytes_tensor(to_raw(texts)).reshape(2, 3).tolist() == texts.tolist()


def test_numbers_are_little_endian_whatever_the_array_is() -> None:
    assert to_raw(np.array([1, 2], ">i2")) == struct.pack("<hh", 1, 2)
    assert to_raw(np.arange(6, dtype=np.uint8).reshape(2, 3).T) == bytes([0, 3, 1, 4, 2, 5])


def test_what_a_tensor_is_is_known_without_reading_it() -> None:
    unread = source("FP32", 1 << 40, 3, raw=b"")
    assert unread.spec == TensorSpec("float32", (1 << 40, 3))
    assert unread.nbytes == 12 << 40


def test_dtypes_without_a_datatype_have_a_name_that_says_so() -> None:
    assert datatype_of("float32") == "FP32"
    assert datatype_of("complex64") == "INVALID"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (source("FP32", 2, raw=b"1234"), "Expected 8, got 4"),
        (source("FP32", raw=b""), "Expected 4, got 0"),
        (source("FP32", 1 << 40, raw=b"1234"), f"Expected {4 << 40}, got 4"),
        (source("FP32", 0, 1 << 62, raw=b""), "send fewer rows"),
        (source("BOOL", 2, raw=b"\x01\x02"), "other than 0 and 1"),
        (source("BYTES", 3, raw=struct.pack("<I", 0)), "expected 3 string elements"),
        (source("BYTES", 1, raw=b"\x01\x00"), "expecting 4 bytes but only 2 bytes available"),
        (source("BYTES", 1, raw=struct.pack("<I", 9) + b"abc"), "string of length 9 but only 3 bytes available"),
        (source("BYTES", 1, raw=struct.pack("<I", 1) + b"abc"), "expecting 1: 2 bytes are left over"),
        (source("BYTES", 1 << 30, raw=b""), "send fewer rows"),
        (
            source("BYTES", 2, bytes_contents=[b"a"]),
            "expected 2 string elements for inference input 'x' for model 'm', got 1",
        ),
        (source("FP32", 2, fp32_contents=[1]), "Expected 8, got 4"),
        (
            source("INT32", 1, fp32_contents=[1]),
            "of type 'FP32', expected datatype 'INT32': INT32 goes into contents.int_contents",
        ),
        (source("FP16", 1, fp32_contents=[1]), "FP16 goes into raw_input_contents"),
        (source("BF16", 0), "BF16 goes into raw_input_contents"),
        (source("INT8", 1, int_contents=[128]), "int_contents holds 128, which is no INT8"),
        (source("UINT16", 1, uint_contents=[1 << 16]), "uint_contents holds 65536, which is no UINT16"),
        (source("FP31", 1, raw=b""), "unknown datatype 'FP31'; did you mean"),
        (source("FP32", -1, raw=b""), "negative dimension"),
        (source("FP32", *[1] * 33, raw=b""), "33 dimensions"),
    ],
)
def test_contents_that_do_not_fit_are_refused(made: InferSource, words: str) -> None:
    with pytest.raises(CodecError) as caught:
        made.read(PLENTY)
    assert words in str(caught.value)


def test_no_more_is_read_than_may_be() -> None:
    with pytest.raises(CodecError, match="the limit is 11"):
        source("FP32", 3, raw=bytes(12)).read(11)
