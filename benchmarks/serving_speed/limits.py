"""What there is to reach: the models called in this process, without a server.

    python -m benchmarks.serving_speed.limits FOLDER SECONDS MODEL ...

prints a line of JSON: by model, engine and rows of a call, the median microseconds of a call.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.serving_speed.models import REPOSITORY, read_rows
from benchmarks.serving_speed.peers.tflite_model import TFLiteModel
from benchmarks.serving_speed.server import ROOT

BATCHES = (1, 32)
ENGINES = {"TensorFlow": "the SavedModel's signature in TensorFlow", "LiteRT": "model.tflite, one thread"}


def measure_limits(folder: Path, seconds: float, models: list[str]) -> dict[str, float]:
    """Return microseconds of a call, by `MODEL/ENGINE/ROWS`, measured in a process that ends."""
    command = [sys.executable, "-m", "benchmarks.serving_speed.limits", str(folder), str(seconds), *models]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _microseconds(call: Callable[[], object], seconds: float) -> float:
    for _ in range(5):
        call()
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        call()
        taken.append(time.perf_counter() - began)
    return 1e6 * statistics.median(taken)


def _tensorflow(version: Path, inputs: Mapping[str, np.ndarray]) -> Callable[[], object]:
    import tensorflow as tf

    model = tf.saved_model.load(str(version))

    def call() -> object:
        outputs = model.signatures["serving_default"](**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return call


def _main(folder: Path, seconds: float, models: list[str]) -> None:
    found: dict[str, float] = {}
    rows = read_rows(folder)
    for model in models:
        version = folder / REPOSITORY / model / "1"
        tflite = TFLiteModel(version)
        for batch in BATCHES:
            inputs = rows[model].batches(batch, 1)[0].inputs
            found[f"{model}/TensorFlow/{batch}"] = _microseconds(_tensorflow(version, inputs), seconds)
            found[f"{model}/LiteRT/{batch}"] = _microseconds(partial(tflite, inputs), seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
