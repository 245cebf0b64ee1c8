"""How long a signature takes to answer, on this machine."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.machine import describe_machine
from zoo.passport import SERVING, Latency, Measured

BATCH_SIZES = (1, 8, 32, 128)
_CALLS = 50
_SECONDS = 0.15
"""For each batch size; at least 3 calls."""


def measure_latency(loaded: Mapping[str, Any], rows: Mapping[str, np.ndarray], *, signature: str = SERVING) -> Measured:
    """Time calls of a signature of a SavedModel, as a server would run it; well below a second for most models.

    The first call of each batch size, which compiles and allocates, does not count.

    Args:
        loaded: the signatures of the SavedModel, as TensorFlow reads them.
        rows: inputs by name, of one row or more, repeated to make batches.
        signature: which.
    """
    import tensorflow as tf

    call = loaded[signature]
    latency = {}
    for size in BATCH_SIZES:
        count = len(next(iter(rows.values())))
        batch = {name: tf.constant(array[np.arange(size) % count]) for name, array in rows.items()}
        latency[str(size)] = _time(call, batch)
        if latency[str(size)].median > 1000 * _SECONDS:
            break  # larger batches would take longer than anybody waits for an export
    return Measured(describe_machine(), signature, latency)


def _time(call: Any, batch: Mapping[str, Any]) -> Latency:
    def seconds() -> float:
        started = time.perf_counter()
        for value in call(**batch).values():
            value.numpy()  # a GPU may still compute when the call returns
        return time.perf_counter() - started

    seconds()
    spent: list[float] = []
    while len(spent) < 3 or (len(spent) < _CALLS and sum(spent) < _SECONDS):
        spent.append(seconds())
    median, high = (1000 * float(value) for value in np.percentile(spent, [50, 90]))
    return Latency(median, high, len(spent))
