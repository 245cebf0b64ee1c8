"""`embed`: what the heads of a model see."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo

X = np.random.default_rng(5).normal(size=(6, 4)).astype("float32")


def embedding(model: keras.Model, folder: Path, x: np.ndarray = X, **options: Any) -> np.ndarray | None:
    signatures = tf.saved_model.load(str(zoo.export(model, folder / "m", **options))).signatures
    return signatures["embed"](inputs=tf.constant(x))["embedding"].numpy() if "embed" in signatures else None


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


@pytest.mark.parametrize("input_skip", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_the_embedding_is_the_last_hidden_layer(tmp_path: Path, *, input_skip: bool, again: bool) -> None:
    heads = {"a": {"kind": "softmax", "units": 3}, "b": {"kind": "linear", "scale": 2.0}}
    model = zoo.build("mlp", input_shape=(4,), units=[5], heads=heads, input_skip=input_skip)
    if again:
        model.save(tmp_path / "model.keras")
        model = zoo.load_model(tmp_path / "model.keras")
    kernel, bias = model.get_weights()[:2]

    got = embedding(model, tmp_path)
    assert got is not None
    np.testing.assert_allclose(got, relu(X @ kernel + bias), atol=1e-6)


def test_features_of_a_sequence_are_one_embedding_a_step(tmp_path: Path) -> None:
    model = zoo.build("gru", input_shape=(None, 4), units=[3], pooling="none", head={"kind": "linear"})

    got = embedding(model, tmp_path, np.zeros((2, 7, 4), "float32"))
    assert got is not None
    assert got.shape == (2, 7, 3)


def test_a_model_from_elsewhere_has_none(tmp_path: Path) -> None:
    x = keras.Input((4,), name="inputs")
    hidden = keras.layers.Dense(3, name="logits")(keras.layers.Dense(5)(x))
    assert embedding(keras.Model(x, {"probabilities": keras.layers.Softmax()(hidden)}), tmp_path) is None
