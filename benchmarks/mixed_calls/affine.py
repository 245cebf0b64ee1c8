"""The model that is asked, y = 2 x + 1: exact in whole numbers below 2^23."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.zoo_serve import Served, served

WIDTH = 8


@contextmanager
def served_affine(transport: str, workers: int) -> Iterator[Served]:
    """Serve it as `affine`."""
    with tempfile.TemporaryDirectory() as folder:
        write = f"from benchmarks.mixed_calls.affine import write_model; write_model({folder!r})"
        subprocess.run([sys.executable, "-c", write], check=True, stderr=subprocess.DEVNULL)
        with served(folder, f"--transport={transport}", f"--workers={workers}") as server:
            yield server


def write_model(folder: str) -> None:
    """Write the model into a folder of models."""
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], tf.float32, name="x")])
    def affine(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 2.0 * x + 1.0}

    tf.saved_model.save(module, str(Path(folder) / "affine" / "1"), signatures=affine)
