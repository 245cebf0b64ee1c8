"""Tensors written at the end of a message, against the protobuf library's own way."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.codec import CodecError, encode
from serving.protos import prediction_pb2 as pb
from serving.tensor_map import write_tensors


def _is_text(array: np.ndarray) -> bool:
    """Tell whether an array's strings can be written: half a surrogate pair cannot, by either."""
    return not any("\ud800" <= character <= "\udfff" for each in array.ravel() for character in str(each))


DTYPES = st.sampled_from(
    ["<f4", ">f4", "f8", "f2", "i4", ">i8", "u1", "u8", "?", "c8", ">c16", ml_dtypes.bfloat16, "S3", "U2"]
)
ARRAYS = st.one_of(
    hnp.arrays(
        DTYPES.filter(lambda dtype: dtype is not ml_dtypes.bfloat16),
        hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
    ).filter(lambda array: array.dtype.kind != "U" or _is_text(array)),
    hnp.arrays("f4", (3, 2)).map(lambda array: array.astype(ml_dtypes.bfloat16)),
    hnp.arrays("f4", (3, 2)).map(lambda array: array.T[:, ::2]),
)
INPUTS = pb.PredictRequest.INPUTS_FIELD_NUMBER


@given(st.dictionaries(st.text(max_size=5), ARRAYS, max_size=4), st.booleans())
def test_it_is_the_message_that_the_library_writes(arrays: dict[str, np.ndarray], as_content: bool) -> None:  # noqa: FBT001
    start = pb.PredictRequest(model_spec=pb.ModelSpec(name="m", version_label="stable"), output_filter=["a"])
    expected = pb.PredictRequest()
    expected.CopyFrom(start)
    for name, array in arrays.items():
        expected.inputs[name].CopyFrom(encode(array, as_content=as_content))
    written = write_tensors(start.SerializeToString(), INPUTS, arrays, as_content=as_content)
    got = pb.PredictRequest.FromString(written)
    assert got.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    assert len(written) == expected.ByteSize()


def test_very_many_texts_are_the_message_that_the_library_writes() -> None:
    array = np.array([b"\0%d" % number for number in range(70_000)], object).reshape(2, -1)
    expected = pb.PredictRequest()
    expected.inputs["x"].CopyFrom(encode(array))
    written = write_tensors(b"", INPUTS, {"x": array})
    assert pb.PredictRequest.FromString(written) == expected
    assert len(written) == expected.ByteSize()


def test_what_cannot_be_sent_is_refused() -> None:
    for array in (np.array(["2020-01-01"], "datetime64[D]"), np.array([1.0], "longdouble"), np.array([3], object)):
        with pytest.raises(CodecError):
            write_tensors(b"", INPUTS, {"x": array})
