"""What is no number (NaN): refused of requests where a server is told to, and counted of answers always."""

import math
import threading
from collections import Counter
from collections.abc import Mapping

import numpy as np

from serving.signature import input_field
from serving.status import invalid

ACCEPT, REFUSE = "accept", "refuse"


def refuse_nan(inputs: Mapping[str, np.ndarray]) -> None:
    """Raise StatusError, INVALID_ARGUMENT, where an input holds NaN, saying how many and where the first one is."""
    for name, array in inputs.items():
        if _holds_nan(array):
            found = np.isnan(array)
            place = [int(index) for index in np.unravel_index(int(found.argmax()), found.shape)]
            raise invalid(
                f"input {name!r} has NaN in {int(found.sum())} of {found.size} places, the first at {place}: this server "
                "takes numbers alone (--nan_inputs=accept takes NaN too)",
                field=input_field(name),
            )


class NanAnswers:
    """Counts what models computed with NaN in it. Any thread may use it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """Runs of an engine whose outputs held NaN, by model."""
        self._lock = threading.Lock()

    def look(self, model: str, outputs: Mapping[str, np.ndarray]) -> None:
        """Count an answer of a model if it holds NaN."""
        if any(map(_holds_nan, outputs.values())):
            with self._lock:
                self.counts[model] += 1


def _holds_nan(array: np.ndarray) -> bool:
    if array.dtype.char in "fd":
        # A sum of squares is NaN where one of them is, and only there: it takes half the time of looking at each.
        return math.isnan(np.vdot(array, array))
    return array.dtype.kind in "fcV" and bool(np.isnan(array).any())  # bfloat16, of no kind of NumPy's own, is a V
