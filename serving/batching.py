"""Arrays of several requests become one, and its answer becomes several."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate

import numpy as np

Arrays = Mapping[str, np.ndarray]


class NotPerRowError(Exception):
    """A model's answer does not have a row for every row of its input."""


def size_of(inputs: Arrays) -> int:
    """Return the bytes of some arrays; of strings, of their references."""
    return sum(array.nbytes for array in inputs.values())


def joint_shapes(inputs: Arrays, *, pad_lengths: bool = False) -> Hashable:
    """Return what has to be equal between requests that are joined: the shapes of a row, or with `pad_lengths` the ranks."""
    return tuple((name, array.ndim if pad_lengths else array.shape[1:]) for name, array in sorted(inputs.items()))


def join(requests: Sequence[Arrays], *, rows: int) -> dict[str, np.ndarray]:
    """Return one request with the rows of all of them, in their order.

    Axes but the first that differ are made as long as the longest, filled with the first element of each array, as
    TensorFlow Serving does.

    Args:
        requests: their `joint_shapes` agree.
        rows: how many to return; those that lack are copies of the last one.
    """
    return {name: _join([request[name] for request in requests], rows) for name in requests[0]}


def _join(arrays: list[np.ndarray], rows: int) -> np.ndarray:
    if len({array.shape[1:] for array in arrays}) > 1:
        longest = np.max([array.shape[1:] for array in arrays], axis=0)
        arrays = [_lengthen(array, longest) for array in arrays]
    lack = rows - sum(map(len, arrays))
    if lack:
        arrays = [*arrays, np.repeat(arrays[-1][-1:], lack, axis=0)]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _lengthen(array: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    filler = array.flat[0] if array.size else (b"" if array.dtype == object else array.dtype.type())
    longer = np.full((len(array), *lengths), filler, array.dtype)
    longer[tuple(slice(length) for length in array.shape)] = array
    return longer


def split(outputs: Arrays, rows: Sequence[int], *, computed: int) -> list[dict[str, np.ndarray]]:
    """Return the answer to each request of a joined one; rows past theirs are dropped. The arrays share memory.

    Args:
        outputs: what the model answered.
        rows: of each request, in the order of `join`.
        computed: the rows that the model was given.

    Raises:
        NotPerRowError: an output has another number of rows.
    """
    for name, array in outputs.items():
        if not array.ndim or len(array) != computed:
            raise NotPerRowError(f"output {name!r} has the shape {list(array.shape)} for a batch of {computed} rows")
    ends = list(accumulate(rows))
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]
