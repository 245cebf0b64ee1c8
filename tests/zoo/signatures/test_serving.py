"""`predict`: the answers of `serving_default`, and the likeliest classes."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo


def loaded(version: Path) -> Any:
    return tf.saved_model.load(str(version)).signatures


def test_predict_answers_as_serving_default_and_names_the_likeliest(artifact: Path) -> None:
    x = tf.constant(np.random.default_rng(3).normal(size=(7, 4)).astype("float32"))
    served, got = loaded(artifact)["serving_default"](inputs=x), loaded(artifact)["predict"](inputs=x)

    for name, expected in served.items():
        np.testing.assert_array_equal(got[name], expected)
    order = np.argsort(-served["probabilities"].numpy(), axis=-1)
    np.testing.assert_array_equal(got["top_k_ids"], order)
    assert got["top_k_ids"].dtype == tf.int64
    names = np.array([b"setosa", b"versicolor", b"virginica"], dtype=object)
    assert got["top_k_labels"].numpy().tolist() == names[order].tolist()
    np.testing.assert_array_equal(
        got["top_k_probabilities"], np.take_along_axis(served["probabilities"].numpy(), order, axis=-1)
    )


def test_the_likeliest_are_five_at_most_and_of_exclusive_classes_only(tmp_path: Path) -> None:
    heads = {
        "kind": {"kind": "softmax", "units": 7},
        "alive": {"kind": "sigmoid"},
        "traits": {"kind": "sigmoid", "units": 4},
        "weight": {"kind": "linear"},
    }
    outputs = loaded(zoo.export(zoo.build("mlp", input_shape=(4,), heads=heads), tmp_path / "m"))["predict"]

    added = {name: spec.shape.as_list() for name, spec in outputs.structured_outputs.items() if "top_k" in name}
    assert added == {f"kind_top_k_{each}": [None, 5] for each in ("ids", "labels", "probabilities")}


def test_an_output_of_the_model_is_not_replaced_by_the_likeliest(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    outputs = {
        "probabilities": keras.layers.Dense(3, activation="softmax")(x),
        "top_k_ids": keras.layers.Dense(3)(x),
    }
    with pytest.raises(zoo.ExportError, match=r"own output 'top_k_ids' has the name of what is added"):
        zoo.export(keras.Model(x, outputs), tmp_path / "m")
