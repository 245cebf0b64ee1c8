"""What tasks answer, as messages."""

from itertools import chain

import numpy as np

from serving.protos import prediction_pb2 as pb
from serving.tasks.classification import Classes

_CELL = 32  # bytes: a class or a number takes about as long to write as so many bytes of an array


def encoded_size(value: Classes | np.ndarray) -> int:
    """Return how much work it is to write a result, in bytes."""
    if isinstance(value, np.ndarray):
        return value.size * _CELL
    return sum(array.size for array in (value.labels, value.scores) if array is not None) * _CELL


def write_classes(message: pb.ClassificationResult, value: Classes) -> None:
    """Write the classes of every example."""
    shape = next(array.shape for array in (value.labels, value.scores) if array is not None)
    # What a model does not tell keeps its default, which does not travel.
    labels = [[""] * shape[1]] * shape[0] if value.labels is None else _texts(value.labels)
    scores = np.zeros(shape, np.float32) if value.scores is None else value.scores
    for names, numbers in zip(labels, list(scores), strict=True):
        message.classifications.add().classes.extend(
            pb.Class(label=label, score=score) for label, score in zip(names, numbers.tolist(), strict=True)
        )


def write_numbers(message: pb.RegressionResult, value: np.ndarray) -> None:
    """Write the number of every example."""
    message.regressions.extend(pb.Regression(value=number) for number in value.tolist())


def _texts(labels: np.ndarray) -> list[list[str]]:
    """Return labels as text, which the message asks for; a byte that is none becomes a replacement character."""
    rows = labels.tolist()
    known = {label: label.decode(errors="replace") for label in set(chain.from_iterable(rows))}
    return [[known[label] for label in row] for row in rows]
