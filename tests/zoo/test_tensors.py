import base64
import math
import struct

import hypothesis.extra.numpy as npst
import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from zoo.passport import Tensor, Tolerance
from zoo.tensors import differences, read_tensor, write_tensor

EXACT = Tolerance(absolute=0, relative=0)
DTYPES = st.sampled_from(["float32", "float64", "float16", "int64", "int32", "uint8", "bool"])


@given(npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)))
def test_numbers_survive_writing_bit_for_bit(array: np.ndarray) -> None:
    again = read_tensor(write_tensor(array))

    assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_numbers_are_little_endian_base64() -> None:
    written = write_tensor(np.array([[1.5, -2.0]], dtype=">f4"))

    assert written == Tensor("float32", (1, 2), base64=base64.b64encode(struct.pack("<2f", 1.5, -2.0)).decode())


def test_a_slice_with_strides_is_written_in_order() -> None:
    assert read_tensor(write_tensor(np.arange(6).reshape(2, 3).T)).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_strings_become_a_list() -> None:
    written = write_tensor(np.array([[b"a", "b"], ["\u00fc".encode(), ""]], dtype=object))

    assert written == Tensor("string", (2, 2), strings=("a", "b", "\u00fc", ""))


def test_strings_are_read_as_bytes_as_tensorflow_gives_them() -> None:
    assert read_tensor(Tensor("string", (2,), strings=("a", "\u00fc"))).tolist() == [b"a", "\u00fc".encode()]


def test_strings_that_are_no_text_are_base64() -> None:
    array = np.array([[b"\xff\xd8", b"text"]], dtype=object)
    written = write_tensor(array)

    assert written == Tensor("string", (1, 2), binary=("/9g=", "dGV4dA=="))
    assert read_tensor(written).tolist() == array.tolist()


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("float32", (3,), base64=base64.b64encode(bytes(8)).decode()),
        Tensor("float32", (1,), base64=base64.b64encode(bytes(3)).decode()),
        Tensor("float32", (1,), base64="?"),
        Tensor("string", (3,), strings=("a",)),
    ],
)
def test_contents_that_do_not_fit_the_shape_are_a_value_error(tensor: Tensor) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is NumPy's
        read_tensor(tensor)


def test_equal_answers_do_not_differ() -> None:
    answers = {"value": np.array([1.0, 2.0]), "label": np.array([b"a"], dtype=object), "class_id": np.array([1])}

    assert differences(answers, dict(answers), EXACT) == []


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "same"),
    [
        # |got - expected| <= absolute + relative * |expected|
        (1.25, 1.0, Tolerance(0.25, 0.0), True),
        (1.2500001, 1.0, Tolerance(0.25, 0.0), False),
        (5.0, 4.0, Tolerance(0.0, 0.25), True),
        (4.0, 5.0, Tolerance(0.0, 0.2), True),
        (5.0, 4.0, Tolerance(0.0, 0.2), False),
        (5.0, 4.0, Tolerance(0.5, 0.125), True),
        (-1.0, 1.0, Tolerance(0.5, 0.5), False),
        (0.0, -0.0, EXACT, True),
        (math.nan, math.nan, EXACT, True),
        (math.nan, 1.0, Tolerance(10, 10), False),
        (1.0, math.nan, Tolerance(10, 10), False),
        (math.inf, math.inf, EXACT, True),
        (math.inf, -math.inf, Tolerance(10, 10), False),
        (1.0, math.inf, Tolerance(10, 0), False),
    ],
)
def test_numbers_agree_within_absolute_plus_relative(
    got: float, expected: float, tolerance: Tolerance, *, same: bool
) -> None:
    assert (differences({"x": np.array([got])}, {"x": np.array([expected])}, tolerance) == []) is same


def test_how_many_numbers_differ_and_by_how_much_is_said() -> None:
    faults = differences({"x": np.array([1.0, 2.5, 7.0])}, {"x": np.array([1.0, 2.0, 3.0])}, EXACT)

    assert faults == ["x: 2 of 3 numbers differ, by up to 4"]


def test_the_distance_leaves_numbers_that_agree_out() -> None:
    got, expected = np.array([math.nan, 3.0, math.inf]), np.array([math.nan, 2.5, math.inf])

    assert differences({"x": got}, {"x": expected}, EXACT) == ["x: 1 of 3 numbers differ, by up to 0.5"]


@pytest.mark.parametrize(("flips", "same"), [(0.0, False), (0.24, False), (0.25, True), (1.0, True)])
def test_one_label_in_four_may_flip_where_a_quarter_may(flips: float, *, same: bool) -> None:
    got = {"label": np.array([b"a", b"b", b"c", b"d"], dtype=object), "class_id": np.array([0, 1, 2, 3])}
    expected = {"label": np.array([b"a", b"b", b"c", b"x"], dtype=object), "class_id": np.array([0, 1, 2, 9])}

    assert (differences(got, expected, Tolerance(label_flips=flips)) == []) is same


def test_the_share_of_flipped_labels_is_said() -> None:
    faults = differences({"class_id": np.array([0, 1, 2, 3])}, {"class_id": np.array([0, 1, 2, 9])}, Tolerance())

    assert faults == ["class_id: 25.0% of 4 classes differ"]


def test_missing_and_surplus_outputs_are_named() -> None:
    one = np.ones(1)

    assert differences({"b": one, "c": one}, {"a": one, "b": one}, EXACT) == ["a: missing", "c: was not expected"]


def test_a_shape_that_broadcasts_is_still_another_shape() -> None:
    assert differences({"x": np.ones((2, 1))}, {"x": np.ones((2, 2))}, EXACT) == ["x: shape (2, 1), expected (2, 2)"]


def test_answers_to_no_rows_do_not_differ() -> None:
    assert differences({"x": np.ones((0, 3))}, {"x": np.ones((0, 3))}, EXACT) == []


@pytest.mark.parametrize("dtype", ["complex64", "complex128", ml_dtypes.bfloat16, "float16"])
def test_numbers_of_every_kind_may_lie_within_the_tolerance(dtype: str) -> None:
    one, other = np.array([1.0, 2.0], dtype), np.array([1.25, 2.0], dtype)

    assert differences({"x": other}, {"x": one}, Tolerance(0.25, 0.0)) == []
    assert differences({"x": other}, {"x": one}, EXACT) == ["x: 1 of 2 numbers differ, by up to 0.25"]


def test_complex_numbers_are_as_far_apart_as_in_the_plane() -> None:
    got, expected = np.array([3 + 4j, complex(math.nan, 0)]), np.array([0j, complex(0, math.nan)])

    assert differences({"x": got}, {"x": expected}, EXACT) == ["x: 1 of 2 numbers differ, by up to 5"]
    assert differences({"x": got}, {"x": expected}, Tolerance(5.0, 0.0)) == []


def test_another_dtype_counts_where_it_is_asked_to() -> None:
    got, expected = {"x": np.ones(1, np.float64)}, {"x": np.ones(1, np.float32)}

    assert differences(got, expected, EXACT) == []
    assert differences(got, expected, EXACT, same_dtypes=True) == ["x: float64, expected float32"]
