from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, softmax

import zoo
from zoo.errors import ExportError
from zoo.passport import Uncertainty


def export(model: Any, path: Path, examples: np.ndarray, **uncertainty: Uncertainty) -> tuple[Any, zoo.Passport]:
    folder = zoo.export(model, path, examples=examples, facts=zoo.ExportFacts(uncertainty=uncertainty))
    assert zoo.verify(folder).ok
    passport = zoo.Passport.from_json((folder / "assets.extra" / "passport.json").read_text())
    return tf.saved_model.load(str(folder)), passport


def call(loaded: Any, signature: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in loaded.signatures[signature](inputs=tf.constant(rows)).items()}


def test_predict_set_answers_sets_and_calibrated_probabilities(
    model: Any, examples: np.ndarray, tmp_path: Path
) -> None:
    found = Uncertainty("temperature+lac", 0.9, 40, (0.8,), temperature=2.0)
    loaded, passport = export(model, tmp_path / "iris", examples, probabilities=found)
    answers = call(loaded, "predict_set", examples)
    chances = softmax(call(loaded, "logits", examples)["logits"] / 2, axis=1)
    np.testing.assert_allclose(answers["probabilities"], chances, rtol=1e-5)
    np.testing.assert_array_equal(answers["set"], (chances >= 0.2) | (chances == chances.max(axis=1, keepdims=True)))
    np.testing.assert_array_equal(answers["set_size"], answers["set"].sum(axis=1))
    np.testing.assert_array_equal(answers["class_id"], call(loaded, "serving_default", examples)["class_id"])
    assert passport.uncertainty == {"probabilities": found}
    outputs = passport.signatures["predict_set"].outputs
    assert {name: (each.dtype, each.shape) for name, each in outputs.items()} == {
        "set": ("bool", (None, 3)),
        "set_size": ("int64", (None,)),
        "probabilities": ("float32", (None, 3)),
        "class_id": ("int64", (None,)),
        "label": ("string", (None,)),
    }
    assert outputs["set_size"].range == (1, 3)
    assert passport.golden["predict_set"].outputs["set"].dtype == "bool"


def test_several_heads_have_their_names_in_front(tmp_path: Path) -> None:
    heads = {
        "kind": {"kind": "sigmoid"},
        "tags": {"kind": "sigmoid", "units": 2},
        "price": {"kind": "linear", "units": 2},
    }
    model = zoo.build("mlp", input_shape=(3,), units=[4], heads=heads)
    rows = np.random.default_rng(1).normal(size=(6, 3)).astype("float32")
    loaded, _ = export(
        model,
        tmp_path / "m",
        rows,
        kind_probabilities=Uncertainty("temperature+lac", 0.9, 40, (0.6,), temperature=0.5),
        tags_probabilities=Uncertainty("temperature", 0.9, 40, (), temperature=3.0),
        price_value=Uncertainty("split", 0.9, 40, (1.5, 20.0)),
    )
    sets, logits = call(loaded, "predict_set", rows), call(loaded, "logits", rows)
    assert set(sets) == {
        "kind_set", "kind_set_size", "kind_probabilities", "kind_class_id", "kind_label", "tags_probabilities"
    }  # fmt: skip
    assert sets["kind_set"].shape == (6, 2)
    np.testing.assert_allclose(sets["kind_probabilities"], expit(2 * logits["kind_logits"]), rtol=1e-5)
    np.testing.assert_allclose(sets["tags_probabilities"], expit(logits["tags_logits"] / 3), rtol=1e-5)
    intervals = call(loaded, "predict_interval", rows)
    assert set(intervals) == {"price_value", "price_lower", "price_upper"}
    value = call(loaded, "serving_default", rows)["price_value"]
    np.testing.assert_allclose(intervals["price_lower"], value - np.array([1.5, 20]), rtol=1e-5)
    np.testing.assert_allclose(intervals["price_upper"], value + np.array([1.5, 20]), rtol=1e-5)


def test_an_output_that_is_not_there_or_has_no_logits_is_refused(
    model: Any, examples: np.ndarray, tmp_path: Path
) -> None:
    import keras

    found = Uncertainty("temperature+lac", 0.9, 40, (0.8,), temperature=2.0)
    with pytest.raises(ExportError, match="of 'chances', which is no output: expected probabilities"):
        export(model, tmp_path / "m", examples, chances=found)
    inputs = keras.Input((4,), name="inputs")
    plain = keras.Model(inputs, {"probabilities": keras.layers.Dense(3, activation="softmax")(inputs)})
    with pytest.raises(ExportError, match=r"whose logits are not known: a layer .* has to be called 'logits'"):
        export(plain, tmp_path / "m", examples, probabilities=found)
