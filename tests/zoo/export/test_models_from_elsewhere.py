"""Keras models that this zoo did not build."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.export.exporting import SERVING, build, export, foreign, rows, sequential, signature, specs
from zoo.artifact import read_passport


def test_a_sequential_model_is_exported_under_given_names(tmp_path: Path) -> None:
    model = sequential(keras.layers.Dense(3, activation="softmax"), name=None)
    version = export(model, tmp_path / "m", input_names=["pixels"], output_names=["probabilities"])
    x = rows(5, 4)

    got = signature(version)(pixels=x)
    np.testing.assert_allclose(got["probabilities"], model.predict(x, verbose=0), rtol=0, atol=1e-6)
    assert got.keys() == {"probabilities", "class_id", "label"}


def test_a_functional_model_with_two_inputs_in_a_dict(tmp_path: Path) -> None:
    inputs = {"wide": keras.Input((2,), name="wide"), "deep": keras.Input((3,), name="deep")}
    joined = keras.layers.Concatenate()([inputs["wide"], inputs["deep"]])
    model = keras.Model(inputs, {"value": keras.layers.Dense(1)(joined)})
    version = export(model, tmp_path / "m", examples={"deep": rows(4, 3), "wide": rows(4, 2)})
    wide, deep = rows(5, 2), rows(5, 3)

    by_hand = np.concatenate([wide, deep], axis=-1) @ model.get_weights()[0]
    np.testing.assert_allclose(signature(version)(wide=wide, deep=deep)["value"], by_hand, atol=1e-6)


def test_two_inputs_in_a_dict_have_logits_too(tmp_path: Path) -> None:
    inputs = {"wide": keras.Input((2,), name="wide"), "deep": keras.Input((2,), name="deep")}
    logits = keras.layers.Dense(3, name="logits")(keras.layers.Subtract()([inputs["wide"], inputs["deep"]]))
    model = keras.Model(inputs, {"probabilities": keras.layers.Softmax()(logits)})
    version = export(model, tmp_path / "m")
    wide, deep = rows(5, 2), rows(5, 2, seed=2)

    np.testing.assert_allclose(
        signature(version, "logits")(wide=wide, deep=deep)["logits"], (wide - deep) @ model.get_weights()[0], atol=1e-6
    )


def test_a_functional_model_with_a_list_of_inputs_keeps_their_order(tmp_path: Path) -> None:
    inputs = [keras.Input((2,), name="second"), keras.Input((2,), name="first")]
    model = keras.Model(inputs, {"value": keras.layers.Subtract()(inputs)})
    version = export(model, tmp_path / "m")
    a, b = rows(5, 2), rows(5, 2, seed=2)

    np.testing.assert_allclose(signature(version)(second=a, first=b)["value"], a - b, atol=1e-6)


def test_integer_inputs_keep_their_dtype(tmp_path: Path) -> None:
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(20, 4)(tokens)
    model = keras.Model(tokens, {"value": keras.layers.Dense(1)(keras.layers.Flatten()(embedded))})
    x = np.random.default_rng(1).integers(0, 20, size=(5, 6)).astype("int32")
    version = export(model, tmp_path / "m", examples=x)

    table, kernel, bias = model.get_weights()
    np.testing.assert_allclose(
        signature(version)(tokens=x)["value"], table[x].reshape(5, -1) @ kernel + bias, atol=1e-6
    )
    assert read_passport(version).signatures[SERVING].inputs["tokens"].dtype == "int32"


def test_strings_are_served_with_examples(tmp_path: Path) -> None:
    inputs = keras.Input((1,), dtype="string", name="words")
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    model = keras.Model(inputs, {"value": keras.layers.Dense(1)(lookup(inputs))})
    words = np.array([["a"], ["b"], ["zebra"]], dtype=object)
    version = export(model, tmp_path / "m", examples=words)

    kernel, bias = model.get_weights()
    by_hand = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]) @ kernel + bias  # the first is for unknown words
    np.testing.assert_allclose(signature(version)(words=words)["value"], by_hand, atol=1e-6)
    assert zoo.verify(version).ok


def test_a_model_with_a_look_up_table_takes_its_strings_along(tmp_path: Path) -> None:
    words = keras.Input((), dtype="string", name="word")
    ids = keras.layers.StringLookup(vocabulary=["cat", "dog"])(words)
    model = keras.Model(words, {"id": ids})
    version = export(model, tmp_path / "words", examples=np.array(["dog", "cow", "cat"], dtype=object))
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    assert served(word=tf.constant(["cat", "dog", "cow"]))["id"].numpy().tolist() == [1, 2, 0]  # 0 is any other word
    assert zoo.verify(version).ok


def scaled(x: Any) -> dict[str, Any]:
    return {"probabilities": keras.layers.Softmax()(keras.layers.Dense(3, name="logits")(x) * 0.5)}


def shared(x: Any) -> dict[str, Any]:
    layer = keras.layers.Dense(4, name="logits")
    return {"probabilities": keras.layers.Softmax()(layer(layer(x)))}


def shared_with_another_model(x: Any) -> dict[str, Any]:
    layer = keras.layers.Dense(3, name="logits")
    layer(keras.Input((4,)))
    return {"probabilities": keras.layers.Softmax()(layer(x))}


def activated(x: Any) -> dict[str, Any]:
    return {"probabilities": keras.layers.Dense(3, activation="softmax", name="logits")(x)}


@pytest.mark.parametrize("make", [scaled, shared, shared_with_another_model, activated])
def test_a_layer_that_is_named_logits_and_is_none_gives_no_signature(
    make: Callable[[Any], dict[str, Any]], tmp_path: Path
) -> None:
    version = export(foreign(make), tmp_path / "m")

    assert "logits" not in tf.saved_model.load(str(version)).signatures
    assert zoo.verify(version).ok


def test_true_logits_beside_false_ones_are_a_signature(tmp_path: Path) -> None:
    def make(x: Any) -> dict[str, Any]:
        true, false = keras.layers.Dense(3, name="a_logits")(x), keras.layers.Dense(3, name="b_logits")(x)
        softmax = keras.layers.Softmax()
        return {"a_probabilities": softmax(true), "b_probabilities": softmax(2 * false)}

    version = export(foreign(make), tmp_path / "m")

    assert specs(version, "logits").keys() == {"a_logits"}


def test_logits_are_named_after_the_given_name_of_their_output(tmp_path: Path) -> None:
    model = build(head={"kind": "softmax", "units": 3})
    version = export(model, tmp_path / "m", output_names=["age_probabilities"])

    assert specs(version, "logits").keys() == {"age_logits"}
