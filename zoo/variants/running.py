"""Running the file of a variant: `open_variant` gives a function from arrays to arrays."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.passport import Variant
from zoo.tensorflow_noise import hushed

Run = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""Inputs by name, each (N, ...), to outputs by name. Not to be called from two threads at once."""


def can_run(variant: Variant) -> bool:
    """Tell whether what runs such a file is installed."""
    return variant.kind != "onnx" or importlib.util.find_spec("onnxruntime") is not None


def open_variant(version: Path, variant: Variant) -> Run:
    """Load a variant of the version in this folder.

    Raises:
        Exception: of many types: the file is none of its kind, or has other inputs and outputs.
    """
    if variant.kind == "litert":
        return _open_litert(version / variant.file, variant.signature)
    if variant.kind == "onnx":
        return _open_onnx(version / variant.file, variant)
    raise ValueError(f"this version of keras-zoo cannot run variants of the kind {variant.kind!r}")


def _interpreter(path: Path) -> Any:
    """Return LiteRT's interpreter of a file: of `ai_edge_litert` where that is installed, else the one in TensorFlow."""
    if importlib.util.find_spec("ai_edge_litert") is not None:
        from ai_edge_litert.interpreter import Interpreter
    else:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter  # noqa: N806 - a class
    with hushed():  # TensorFlow says that its own is deprecated: decision 19
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()  # tells of a delegate, the first time
    return interpreter


def litert_tensors(path: Path, signature: str) -> dict[str, str]:
    """Return what LiteRT's interpreter calls the inputs and outputs of a signature, by their names."""
    runner = _interpreter(path).get_signature_runner(signature)
    details = {**runner.get_input_details(), **runner.get_output_details()}
    return {name: str(found["name"]) for name, found in details.items()}


def _open_litert(path: Path, signature: str) -> Run:
    runner = _interpreter(path).get_signature_runner(signature)

    def run(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: np.array(array) for name, array in runner(**rows).items()}

    return run


def _open_onnx(path: Path, variant: Variant) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised as well
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {name: variant.tensors.get(name, name) for name in (*variant.inputs, *variant.outputs)}

    def run(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        answers = session.run([names[name] for name in variant.outputs], {names[k]: v for k, v in rows.items()})
        return dict(zip(variant.outputs, answers, strict=True))

    return run
