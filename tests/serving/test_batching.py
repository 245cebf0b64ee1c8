"""Joining and splitting arrays, against NumPy and the examples of TensorFlow Serving's documentation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.batching import NotPerRowError, join, joint_shapes, split
from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6), extra=st.integers(0, 4))
def test_what_was_joined_is_split_into_the_same_rows(sizes: list[int], extra: int) -> None:
    source = np.random.default_rng(0)
    requests = [{"x": source.random((n, 3)), "s": np.array([b"a"] * n, object)} for n in sizes]
    total = sum(sizes) + extra
    joined = join(requests, rows=total)
    assert {name: len(array) for name, array in joined.items()} == {"x": total, "s": total}
    for answer, request in zip(split(joined, sizes, computed=total), requests, strict=True):
        np.testing.assert_array_equal(answer["x"], request["x"])
        assert answer["s"].tolist() == request["s"].tolist()


def test_rows_that_lack_are_copies_of_the_last() -> None:
    joined = join([{"x": np.array([1, 2])}, {"x": np.array([3])}], rows=5)
    assert joined["x"].tolist() == [1, 2, 3, 3, 3]


def test_other_axes_are_lengthened_with_the_first_element() -> None:
    """The shapes of the example in tensorflow_serving/batching/batching_session.h."""
    shapes = [(1, 500, 101), (2, 300, 101), (1, 400, 101)]
    requests = [{"x": np.full(shape, number, np.float32)} for number, shape in enumerate(shapes)]
    assert len({joint_shapes(request, pad_lengths=True) for request in requests}) == 1
    joined = join(requests, rows=4)["x"]
    assert joined.shape == (4, 500, 101)
    assert [set(np.unique(row)) for row in joined] == [{0.0}, {1.0}, {1.0}, {2.0}]
    np.testing.assert_array_equal(
        join([{"x": np.array([[7, 8]])}, {"x": np.array([[1, 2, 3]])}], rows=2)["x"], [[7, 8, 7], [1, 2, 3]]
    )


def test_strings_are_lengthened_too() -> None:
    joined = join([{"x": np.array([[b"a"]], object)}, {"x": np.array([[b"b", b"c"]], object)}], rows=2)
    assert joined["x"].tolist() == [[b"a", b"a"], [b"b", b"c"]]


def test_shapes_of_rows_are_told_apart() -> None:
    one, other = {"x": np.zeros((1, 2))}, {"x": np.zeros((4, 3))}
    assert joint_shapes(one) != joint_shapes(other)
    assert joint_shapes(one) == joint_shapes({"x": np.zeros((9, 2))})


@pytest.mark.parametrize("array", [np.zeros(()), np.zeros((2, 1)), np.zeros((4, 1))])
def test_an_answer_that_is_not_per_row_is_noticed(array: np.ndarray) -> None:
    with pytest.raises(NotPerRowError, match=r"'y'.* batch of 3 rows"):
        split({"y": array}, [1, 2], computed=3)


def test_the_rules_are_those_of_tensorflow_serving() -> None:
    """Defaults of SharedBatchScheduler::QueueOptions; the splitting ones as in batching_session.h."""
    rules = BatchingRules.of(BatchingParameters())
    assert (rules.max_rows, rules.max_request_rows, rules.timeout, rules.max_waiting_rows) == (1000, 1000, 0.0, 10_000)
    rules = BatchingRules.of(BatchingParameters(max_batch_size=8, allowed_batch_sizes=(2, 4, 8)))
    assert [rules.padded(rows) for rows in (1, 2, 3, 5, 8)] == [2, 2, 4, 8, 8]
    assert rules.piece_rows(8) == 8
    rules = BatchingRules.of(
        BatchingParameters(max_batch_size=100, enable_large_batch_splitting=True, max_execution_batch_size=10)
    )
    assert (rules.max_rows, rules.max_request_rows, rules.piece_rows(25), rules.piece_rows(5)) == (10, 100, 10, 5)
