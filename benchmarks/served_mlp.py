"""A small MLP that `zoo serve` serves in a process of its own."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from zoo_serve import Served, served

import zoo


@contextmanager
def served_mlp(*flags: str) -> Iterator[Served]:
    """Serve it as `m`, of one input, `inputs`, 784 wide."""
    with tempfile.TemporaryDirectory() as folder:
        model = zoo.build("mlp", input_shape=(784,), units=[16, 16], head={"kind": "softmax", "units": 10})
        zoo.export(model, Path(folder) / "m", variants=())
        with served(folder, "--log_level=error", *flags) as server:
            yield server


def mlp_row() -> np.ndarray:
    """Return a row for it."""
    return np.random.default_rng(0).random((1, 784), np.float32)
