"""What tasks answer, as messages.

Written as the bytes that they are on the wire, all rows at once: as objects, four thousand rows of a thousand classes take
seconds, in which nothing else is answered.
"""

import numpy as np

from serving.tasks.classification import Classes
from serving.wire_format import FIXED_32, start_of, tag

_CELL = 32  # bytes: a class or a number takes about as long to write as so many bytes of an array
_SCORE = np.dtype("<f4")


def encoded_size(value: Classes | np.ndarray) -> int:
    """Return how much work it is to write a result, in bytes; its message takes no more memory than some times that."""
    if isinstance(value, np.ndarray):
        return value.size * _CELL
    labels = 0 if value.labels is None else sum(map(len, value.labels.ravel().tolist()))
    return labels + max(array.size for array in (value.labels, value.scores) if array is not None) * _CELL


def classification_result(value: Classes) -> bytes:
    """Return a ClassificationResult; a label that is no text is written with replacement characters."""
    shape = next(array.shape for array in (value.labels, value.scores) if array is not None)
    # What a model does not tell is written as its default, which is how it is read.
    scores = np.zeros(shape, np.float32) if value.scores is None else value.scores
    labels = value.labels
    if labels is None or (shape[0] and (labels == labels[0]).all()):
        names = [b""] * shape[1] if labels is None else labels[0].tolist()
        return _rows(names, scores)
    return b"".join(_rows(names, row[None]) for names, row in zip(labels.tolist(), scores, strict=True))


def regression_result(value: np.ndarray) -> bytes:
    """Return a RegressionResult."""
    regression = tag(1, FIXED_32) + bytes(_SCORE.itemsize)
    rows = _repeated(field(1, regression), len(value))
    rows[:, -_SCORE.itemsize :] = _bytes(value[:, None])
    return rows.tobytes()


def field(number: int, message: bytes) -> bytes:
    """Return a message as a field of another, which serialized messages may be followed by."""
    return start_of(number, len(message)) + message


def _rows(names: list[bytes], scores: np.ndarray) -> bytes:
    """Return Classifications of the same labels as fields of a result, one for each row of scores."""
    score = tag(2, FIXED_32) + bytes(_SCORE.itemsize)
    classes = [field(1, field(1, name.decode(errors="replace").encode()) + score) for name in names]
    row = field(1, b"".join(classes))
    rows, numbers = _repeated(row, len(scores)), _bytes(scores)
    end = len(row) - sum(map(len, classes))
    for at, each in enumerate(classes):
        end += len(each)
        rows[:, end - _SCORE.itemsize : end] = numbers[:, at * _SCORE.itemsize : (at + 1) * _SCORE.itemsize]
    return rows.tobytes()


def _repeated(row: bytes, count: int) -> np.ndarray:
    return np.tile(np.frombuffer(row, np.uint8), (count, 1))


def _bytes(numbers: np.ndarray) -> np.ndarray:
    """Return each row's numbers as they are on the wire."""
    little = np.ascontiguousarray(numbers, _SCORE)
    return little.view(np.uint8).reshape(len(numbers), numbers.shape[1] * _SCORE.itemsize)
