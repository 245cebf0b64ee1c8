"""How far answers lie from one another, worked out by hand."""

import ml_dtypes
import numpy as np
import pytest

from serving.answer_changes import AnswerChanges, broken

Arrays = dict[str, np.ndarray]


def changes(before: Arrays, after: Arrays, **fields: set[str]) -> AnswerChanges:
    found = AnswerChanges(**fields)
    found.add(before, after)
    return found


def array(*values: object, dtype: object = np.float32) -> np.ndarray:
    return np.array(values, dtype=dtype)


@pytest.mark.parametrize(
    ("before", "after", "distance"),
    [
        (array(1, 2, 3), array(1, 2.5, 2.75), 0.5),
        (array(1, np.nan, np.inf), array(1.25, 7, 7), 0.25),
        (array(np.nan), array(np.nan), None),
        (array(0j, dtype=np.complex64), array(3 + 4j, dtype=np.complex64), 5),
        (array(1, dtype=ml_dtypes.bfloat16), array(1.5, dtype=ml_dtypes.bfloat16), 0.5),
        (array(1, dtype=np.float16), array(-60000, dtype=np.float16), 60001),
    ],
)
def test_the_largest_distance_of_a_number_is_found(
    before: np.ndarray, after: np.ndarray, distance: float | None
) -> None:
    assert changes({"y": before}, {"y": after}).outputs["y"].distance == distance


@pytest.mark.parametrize(
    ("name", "before", "after", "flips", "rows"),
    [
        ("class_id", array(1, 2, 3, dtype=np.int64), array(1, 2, 4, dtype=np.int64), 1, 3),
        ("ids", array([1, 2], [3, 4], dtype=np.int64), array([1, 2], [4, 5], dtype=np.int64), 1, 2),
        ("label", array(b"a", b"b", dtype=object), array(b"a", b"c", dtype=object), 1, 2),
        ("is", array(1, dtype=bool), array(1, dtype=bool), 0, 1),
        ("any", array([0.9, 0.1], [0.4, 0.6]), array([0.6, 0.4], [0.5, 0.5]), 1, 2),
        ("logits", array([3, -1], [3, -1]), array([2, 1], [1, 2]), 1, 2),
        ("head_logits", array([[3, -1]], [[3, -1]]), array([[2, 1]], [[1, 2]]), 1, 2),
        ("embedding", array([3, -1], [3, -1]), array([2, 1], [1, 2]), 0, 0),
        ("value", array([3], [3]), array([2], [1]), 0, 0),
        ("named", array([3, -1], [3, -1]), array([2, 1], [1, 2]), 1, 2),
    ],
)
def test_rows_of_another_class_are_counted(
    name: str, before: np.ndarray, after: np.ndarray, flips: int, rows: int
) -> None:
    change = changes({name: before}, {name: after}, class_outputs={"named"}).outputs[name]
    assert (change.flips, change.rows) == (flips, rows)
    assert change.share == (flips / rows if rows else 0)


def test_what_was_found_adds_up_and_is_told_in_a_line() -> None:
    found = AnswerChanges()
    found.add({"y": array([0.5, 0.5])}, {"y": array([0.75, 0.25])})
    found.add({"y": array([1.0, 0.0])}, {"y": array([0.0, 1.0])})
    found.add({"n": array(1.0), "e": array()}, {"n": array(1.0, 2.0), "e": array()}, "f:")
    assert str(found) == "y by up to 1, another class in 1 of 2 rows (50.0%); f:n of shape [2], was [1]"


def test_of_many_outputs_those_are_shown_that_changed_most() -> None:
    before = {f"y{number}": array(0.0) for number in range(9)}
    found = changes(before, {f"y{number}": array(float(number)) for number in range(9)})
    assert str(found).startswith("y8 by up to 8; y7 by up to 7; ")
    assert str(found).endswith("y3 by up to 3; and 2 more")
    assert str(changes(before, before)) == ""


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ({"y": array(5.0, 6.0)}, None),
        ({"y": array(5.0, 6.0), "z": array(np.nan)}, None),
        ({"y": array(5.0)}, None),
        ({}, "output 'y' is gone"),
        ({"y": array(5.0, 6.0, dtype=np.float64)}, "output 'y' is float64, was float32"),
        ({"y": array(b"5", b"6", dtype=object)}, "output 'y' is string, was float32"),
        ({"y": array([5.0], [6.0])}, "output 'y' is of shape [2, 1], was [2]"),
        ({"y": array(5.0, np.inf)}, "output 'y' has 1 of 2 numbers that are not finite, where they were"),
        ({"y": array(5.0, np.nan, 1.0)}, "output 'y' has 1 of 3 numbers that are not finite, where they were"),
    ],
)
def test_what_no_client_can_use_is_told_from_what_is_only_different(after: Arrays, fault: str | None) -> None:
    assert broken({"y": array(1.0, 2.0)}, after) == fault


def test_what_was_not_finite_need_not_become_so() -> None:
    assert broken({"y": array(np.nan, 1.0)}, {"y": array(np.inf, 1.0)}) is None
    assert broken({"y": array(np.nan, 1.0)}, {"y": array(1.0, np.nan)}) is not None
