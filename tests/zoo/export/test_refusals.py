"""What cannot be an artifact is refused in words, and leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.zoo.export.exporting import build, export, foreign, leftovers, rows, sequential, specs

UNNAMED_INPUT = r"input 'keras_tensor\w*' has no stable name .* pass input_names=\[\.\.\.\] with 1 name"


def two_inputs() -> keras.Model:
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    return keras.Model([a, b], {"value": keras.layers.Add()([a, b])})


class Subclassed(keras.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


def squeezed() -> keras.Model:
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, {"probabilities": keras.ops.squeeze(keras.layers.Dense(1)(inputs), -1)})


def tokens() -> keras.Model:
    inputs = keras.Input((2,), dtype="uint8", name="tokens")
    return keras.Model(inputs, {"value": keras.layers.Embedding(300, 2)(inputs)})


def words() -> keras.Model:
    inputs = keras.Input((2,), dtype="string", name="words")
    return keras.Model(inputs, {"id": keras.layers.StringLookup(vocabulary=["a"])(inputs)})


def dense() -> keras.layers.Layer:
    return keras.layers.Dense(3, activation="softmax")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: sequential(dense(), name=None), {"output_names": ["value"]}, UNNAMED_INPUT),
        (lambda: sequential(dense()), {}, r"output 'output_0' has no stable name .* pass output_names=\[\.\.\.\]"),
        (lambda: sequential(dense()), {"output_names": ["a", "b"]}, "has 1 outputs, but output_names has 2: a, b"),
        (lambda: sequential(dense()), {"output_names": ["a b"]}, "output 'a b': a name has letters, digits"),
        (two_inputs, {"input_names": ["a", "a"]}, "every input needs a name of its own, got a, a"),
        (
            lambda: keras.Sequential([keras.Input(batch_shape=(8, 4), name="x"), dense()]),
            {"output_names": ["value"]},
            "input 'x' has a fixed batch of 8: build the model without batch_size",
        ),
        (Subclassed, {}, r"has no known inputs: start it with keras.Input, or wrap it"),
        (squeezed, {}, r"probabilities has shape \(N,\), expected \(N, classes\) or \(N, 1\)"),
        (
            lambda: build(head={"kind": "softmax", "units": 3}),
            {"class_names": ["a", "b"]},
            "tells 3 classes apart, but 2 class names were given",
        ),
        (
            lambda: build(head={"kind": "sigmoid"}),
            {"class_names": ["a"]},
            "tells 2 classes apart, but 1 class names were given",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"class_names": ["a", "b"]},
            "class_names were given, but no output holds probabilities: value",
        ),
        (
            lambda: build(head={"kind": "sigmoid"}),
            {"class_names": {"value": ["a", "b"]}},
            "class_names names 'value', which is no output of probabilities: probabilities",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": rows(3, 5)},
            r"examples of 'inputs' have shape \(3, 5\), expected \(rows, 4\)",
        ),
        (lambda: build(head={"kind": "linear"}), {"examples": rows(0, 4)}, r"have shape \(0, 4\)"),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": {"x": rows(1, 4)}},
            "examples has x, the inputs are inputs",
        ),
        (two_inputs, {"examples": rows(3, 2)}, "the model has 2 inputs: give examples as a dict of a, b"),
        (two_inputs, {"examples": {"a": rows(3, 2), "b": rows(4, 2)}}, "different numbers of rows: a 3, b 4"),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": np.full((2, 4), np.nan)},
            "'inputs' hold NaN or infinity",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": np.vstack([np.zeros((20, 4)), np.full((1, 4), np.inf)])},  # beyond the rows that are kept
            "'inputs' hold NaN or infinity",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": np.full((2, 4), "warm")},
            "examples of 'inputs' are <U4, the input takes numbers, float32",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": np.array([["1", None, {}, 2]], dtype=object)},
            "examples of 'inputs' are object, the input takes numbers, float32",
        ),
        (lambda: build(head={"kind": "linear"}), {"examples": np.ones((2, 4), complex)}, "are complex128"),
        (lambda: build(head={"kind": "linear"}), {"examples": [[1, 2, 3, 4], [1]]}, "'inputs' are no array: "),
        (tokens, {"examples": np.array([[1.0, 2.5]])}, r"'tokens' hold 2\.5, which the input, uint8, cannot take"),
        (tokens, {"examples": np.array([[1, 256]])}, "'tokens' hold 256, which the input, uint8, cannot take"),
        (words, {"examples": np.array([[1, 2]])}, "examples of 'words' are int64, the input takes strings"),
        (
            lambda: build(head={"kind": "sigmoid"}),
            {"class_names": ["a", "\ud800"]},
            r"probabilities: the class name '\\ud800' is not UTF-8",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"facts": zoo.ExportFacts(metrics={"test": {"loss": float("nan")}})},
            r"the passport holds what JSON cannot .* \.metrics\.test\.loss: expected a finite number, got nan",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"facts": zoo.ExportFacts(metrics={"test": {"loss": np.float32(1)}})},  # type: ignore[dict-item]
            r"the passport holds what JSON cannot .* float32",
        ),
    ],
)
def test_a_model_that_cannot_be_an_artifact_is_refused(
    make: Callable[[], keras.Model], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(zoo.ExportError, match=message):
        export(make(), tmp_path / "model", **options)

    assert leftovers(tmp_path) == []


def test_strings_need_examples(tmp_path: Path) -> None:
    inputs = keras.Input((1,), dtype="string", name="words")
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    model = keras.Model(inputs, {"value": keras.layers.Dense(1)(lookup(inputs))})

    with pytest.raises(zoo.ExportError, match="'words' takes strings: give examples of them"):
        export(model, tmp_path / "model")

    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["a b", "-x", ".hidden", "ä"])
def test_a_folder_that_cannot_name_a_model_is_refused(name: str, model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(zoo.ExportError, match="cannot name a model"):
        export(model, tmp_path / name)


@pytest.mark.parametrize("own", ["label", "class_id"])
def test_an_output_of_the_model_is_not_replaced_by_a_label(own: str, tmp_path: Path) -> None:
    model = foreign(lambda x: {"probabilities": dense()(x), own: keras.layers.Dense(2)(x)})
    with pytest.raises(zoo.ExportError, match=f"own output '{own}'"):
        export(model, tmp_path / "model")
    assert leftovers(tmp_path) == []

    version = export(model, tmp_path / "m", output_names=["probabilities", "mine"])
    assert specs(version).keys() == {"probabilities", "class_id", "label", "mine"}


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = build(head={"kind": "linear"})
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])

    with pytest.raises(zoo.ExportError, match=r"'value' has 8 of 8 numbers that are NaN or infinite .* diverged"):
        export(model, tmp_path / "model")

    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("word", [b"caf\xe9", "\ud800"])
def test_examples_that_are_not_utf8_are_refused(word: object, tmp_path: Path) -> None:
    words = keras.Input((), dtype="string", name="word")
    model = keras.Model(words, {"id": keras.layers.StringLookup(vocabulary=["cat", "dog"])(words)})

    with pytest.raises(zoo.ExportError, match=r"examples of 'word' hold .* which is not UTF-8"):
        export(model, tmp_path / "model", examples=np.array(["cat", word], dtype=object))

    assert leftovers(tmp_path) == []
