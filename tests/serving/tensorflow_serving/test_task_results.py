"""Results are written as bytes; read by the peer's own messages they are what they were made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow_serving.apis import classification_pb2, regression_pb2

from serving.services.task_results import classification_result, regression_result
from serving.tasks.classification import Classes

quick = settings(max_examples=50, deadline=None)
scores = hnp.arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(width=32))
labels = st.sampled_from([b"", b"a", "é".encode(), b"\xff", b"x" * 300])


def read(value: Classes) -> list[list[tuple[str, float]]]:
    found = classification_pb2.ClassificationResult.FromString(classification_result(value))
    return [[(one.label, one.score) for one in line.classes] for line in found.classifications]


@quick
@given(scores, st.data(), st.booleans())
def test_classes(numbers: np.ndarray, data: st.DataObject, same: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    rows, count = numbers.shape
    drawn = data.draw(st.lists(labels, min_size=count * (1 if same else rows), max_size=count * (1 if same else rows)))
    names = np.empty((rows, count), dtype=object)
    if names.size:
        names[:] = np.array(drawn, dtype=object).reshape(-1, count)
    expected = [
        [
            (name.decode(errors="replace"), pytest.approx(number, abs=0, nan_ok=True))
            for name, number in zip(*row, strict=True)
        ]
        for row in zip(names.tolist(), numbers.tolist(), strict=True)
    ]
    assert read(Classes(names, numbers)) == expected


def test_classes_without_labels_or_scores() -> None:
    assert read(Classes(None, np.array([[0.5, 0.0]], np.float32))) == [[("", 0.5), ("", 0.0)]]
    assert read(Classes(np.array([[b"a", b"b"]], dtype=object), None)) == [[("a", 0.0), ("b", 0.0)]]


@quick
@given(hnp.arrays(np.float32, st.integers(0, 9), elements=st.floats(width=32)))
def test_numbers(numbers: np.ndarray) -> None:
    found = regression_pb2.RegressionResult.FromString(regression_result(numbers))
    np.testing.assert_array_equal(np.array([line.value for line in found.regressions], np.float32), numbers)
