"""The models that are served: what they are, and a process that writes them with the answers they owe.

A folder of them has `repository`, the artifacts, and `rows.npz`: rows to ask about, and what the SavedModel itself says to
them in TensorFlow. Untrained weights cost what trained ones cost; seeds are fixed.
"""

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load import CACHE

SHIPPED = Path(__file__).parents[2] / "saved_models"
REPOSITORY, ROWS = "repository", "rows.npz"
ROWS_KEPT = 256
_MARGIN = 1e-3  # between the first class and the second, so that no rounding can change which it is


@dataclass(frozen=True)
class Model:
    """A model that is built, or one that is shipped."""

    name: str
    title: str
    architecture: str | None = None
    """None: the artifact of this name in saved_models/."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    highest: float = 1.0
    """Of the numbers that it is asked about, which begin at 0. Token ids are any."""


MODELS = (
    Model("m1", "M1: MLP 784-16-16-10", "mlp", {"input_shape": (784,), "units": [16, 16]}),
    Model("m2", "M2: CNN 28x28, 16-32", "cnn", {"input_shape": (28, 28, 1), "filters": [16, 32]}),
    Model(
        "m3",
        "M3: transformer, 2 layers, 128 tokens",
        "transformer",
        {"input_shape": (128,), "vocabulary_size": 10000, "num_layers": 2, "num_heads": 4, "hidden_dim": 64},
    ),
    Model("lstm", "LSTM: 32 units, 32 steps of 8", "lstm", {"input_shape": (32, 8), "units": [32]}),
    Model("digits_cnn", "digits_cnn, as shipped", highest=16.0),
)
BY_NAME = {model.name: model for model in MODELS}


@dataclass(frozen=True)
class Rows:
    """Rows to ask a model about, and its answers."""

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]

    def batches(self, size: int, count: int) -> "list[Rows]":
        """Return up to `count` different batches of so many rows."""
        total = len(next(iter(self.inputs.values())))
        starts = range(0, min(count * size, total - size + 1), size)

        def cut(arrays: Mapping[str, np.ndarray], start: int) -> dict[str, np.ndarray]:
            return {name: array[start : start + size] for name, array in arrays.items()}

        return [Rows(cut(self.inputs, start), cut(self.outputs, start)) for start in starts]


def models_folder() -> Path:
    """Return where models and rows are, written first where this code has not written them yet.

    They are written by a process of its own, so that this one need not import TensorFlow.
    """
    folder = CACHE / f"models-{_fingerprint()}"
    if not (folder / ROWS).exists():
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-m", "benchmarks.serving_speed.models", str(folder)]
        subprocess.run(command, check=True, timeout=900, cwd=SHIPPED.parent, stderr=subprocess.DEVNULL)
    return folder


def _fingerprint() -> str:
    """Return what tells one way to write the models from another."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *sorted((SHIPPED.parent / "zoo").rglob("*.py"))]:
        digest.update(path.read_bytes())
    for package in ("tensorflow", "keras"):
        digest.update(importlib.metadata.version(package).encode())
    return digest.hexdigest()[:12]


def read_rows(folder: Path) -> dict[str, Rows]:
    """Return the rows of every model."""
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    with np.load(folder / ROWS) as file:
        for key in file.files:
            model, side, name = key.split("/")
            found.setdefault(model, {"inputs": {}, "outputs": {}})[side][name] = file[key]
    return {model: Rows(**sides) for model, sides in found.items()}


def _write(model: Model, repository: Path) -> None:
    if model.architecture is None:
        shutil.copytree(SHIPPED / model.name, repository / model.name)
        return
    import keras

    import zoo

    keras.utils.set_random_seed(1)
    built = zoo.build(model.architecture, head={"kind": "softmax", "units": 10}, **model.fields)
    rng = np.random.default_rng(1)
    for kernel in built.trainable_weights:  # further apart than a start of training: answers that differ
        kernel.assign(kernel + 0.3 * rng.standard_normal(kernel.shape).astype(kernel.dtype))
    config = zoo.ModelConfig.parse(
        {"architecture": model.architecture, "head": {"kind": "softmax", "units": 10}, **model.fields}
    )
    zoo.export(built, repository / model.name, facts=zoo.ExportFacts(model=config, measure=False))


def _rows(model: Model, repository: Path) -> Rows:
    import tensorflow as tf

    signature = tf.saved_model.load(str(repository / model.name / "1")).signatures["serving_default"]
    rng = np.random.default_rng(2)
    inputs = {}
    for name, spec in signature.structured_input_signature[1].items():
        shape = (4 * ROWS_KEPT, *spec.shape[1:])
        dtype = spec.dtype.as_numpy_dtype
        whole = np.issubdtype(dtype, np.integer)
        inputs[name] = (
            rng.integers(1, 10000, shape).astype(dtype) if whole else (model.highest * rng.random(shape)).astype(dtype)
        )
    outputs = {
        name: tensor.numpy() for name, tensor in signature(**{k: tf.constant(v) for k, v in inputs.items()}).items()
    }
    ranked = np.sort(outputs["probabilities"], axis=-1)
    clear = np.flatnonzero(ranked[:, -1] - ranked[:, -2] > _MARGIN)[:ROWS_KEPT]
    if len(clear) < ROWS_KEPT:
        raise RuntimeError(f"{model.name}: only {len(clear)} of {4 * ROWS_KEPT} rows have a clear first class")
    return Rows(
        {name: array[clear] for name, array in inputs.items()}, {name: array[clear] for name, array in outputs.items()}
    )


def _main(folder: Path) -> None:
    repository = folder / REPOSITORY
    repository.mkdir(parents=True)
    arrays: dict[str, np.ndarray] = {}
    for model in MODELS:
        print(f"writing {model.title}", flush=True)
        _write(model, repository)
        rows = _rows(model, repository)
        for side in ("inputs", "outputs"):
            for name, array in getattr(rows, side).items():
                arrays[f"{model.name}/{side}/{name}"] = array.astype("S") if array.dtype.kind == "O" else array
    np.savez(folder / ROWS, allow_pickle=False, **arrays)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
