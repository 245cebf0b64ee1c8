"""What tests of exports share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo

SERVING = "serving_default"
export = functools.partial(zoo.export, variants=())


def signature(version: Path, name: str = SERVING) -> Callable[..., dict[str, np.ndarray]]:
    """A signature as any TensorFlow program would call it, without this package."""
    loaded = tf.saved_model.load(str(version))

    def call(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        answers = loaded.signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
        return {key: value.numpy() for key, value in answers.items()}

    return call


def specs(version: Path, name: str = SERVING) -> dict[str, tuple[str, list[int | None]]]:
    outputs = tf.saved_model.load(str(version)).signatures[name].structured_outputs
    return {key: (spec.dtype.name, spec.shape.as_list()) for key, spec in outputs.items()}


def build(name: str = "mlp", shape: tuple[int, ...] = (4,), **fields: Any) -> keras.Model:
    keras.utils.set_random_seed(11)
    return zoo.build(name, input_shape=shape, **fields)


def rows(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sequential(*layers: keras.layers.Layer, name: str | None = "x") -> keras.Model:
    return keras.Sequential([keras.Input((4,), name=name), *layers])


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path != folder / "model"]


def foreign(make: Callable[[Any], dict[str, Any]]) -> keras.Model:
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, make(inputs))
