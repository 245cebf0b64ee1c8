"""From an artifact back to the Keras model: the same answers, weights that train on, and refusals in words."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from zoo.artifact import PASSPORT, hash_files, read_passport
from zoo.errors import ArtifactError
from zoo.loading import LAYERS, LEARNT

ROWS = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def foreign() -> keras.Model:
    inputs = keras.Input((4,), name="measures")
    hidden = keras.layers.BatchNormalization(name="norm")(
        keras.layers.Dense(3, activation="tanh", name="hidden")(inputs)
    )
    return keras.Model(inputs, {"amount": keras.layers.Dense(2, name="out")(hidden)})


def texts() -> np.ndarray:
    return np.array(["a good film", "not a good film", "so so"], dtype=object)


def reader() -> keras.Model:
    model = zoo.build(
        "gru",
        input_shape=(),
        vocabulary_size=20,
        units=[4],
        head={"kind": "sigmoid"},
        preprocessing=[{"kind": "tokens", "length": 5, "vocabulary_size": 20}],
    )
    zoo.adapt(model, texts())
    return model


def normalizer() -> keras.Model:
    model = zoo.build(
        "mlp",
        input_shape=(4,),
        units=[3],
        preprocessing=[{"kind": "normalization"}],
        head={"kind": "softmax", "units": 2},
    )
    zoo.adapt(model, ROWS)
    return model


@pytest.mark.parametrize(
    ("make", "rows"),
    [(normalizer, ROWS), (reader, texts()), (foreign, ROWS)],
    ids=["with statistics", "with a vocabulary", "not of this zoo"],
)
def test_a_loaded_model_answers_as_the_one_that_was_exported(
    make: Callable[[], keras.Model], rows: np.ndarray, tmp_path: Path
) -> None:
    model = make()
    found = zoo.load(zoo.export(model, tmp_path / "m", examples=rows))

    assert [v.shape for v in found.variables] == [v.shape for v in model.variables]
    for one, two in zip(found.variables, model.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    for name, answer in model.predict_on_batch(rows).items():
        np.testing.assert_allclose(found.predict_on_batch(rows)[name], answer, rtol=1e-6, atol=1e-6)


def test_a_loaded_model_trains_on_and_is_exported_anew(tmp_path: Path) -> None:
    first = zoo.export(foreign(), tmp_path / "m", examples=ROWS)
    model = zoo.load(first.parent)
    before = model.get_layer("out").kernel.numpy()
    model.compile("sgd", "mse")
    model.fit(ROWS, {"amount": np.ones((8, 2))}, verbose=0)

    assert np.abs(model.get_layer("out").kernel.numpy() - before).max() > 0
    second = zoo.export(model, tmp_path / "m", examples=ROWS)
    assert (second.name, zoo.verify(second).ok) == ("2", True)


def test_a_changed_file_is_named_and_nothing_is_loaded(tmp_path: Path) -> None:
    version = zoo.export(normalizer(), tmp_path / "m", examples=ROWS)
    (version / LEARNT).write_bytes(b"else")

    with pytest.raises(ArtifactError, match=r"preprocessing\.npz was changed since export"):
        zoo.load(version)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (LAYERS, b"[" * 100_000, "the layers of .*model.json cannot be made here: "),
        (LAYERS, b"{}", "the layers of .*model.json cannot be made here: "),
        (LEARNT, b"PK", "preprocessing.npz is not what its model learnt: "),
    ],
)
def test_what_is_beside_the_graph_may_be_anything(file: Path, content: bytes, reason: str, tmp_path: Path) -> None:
    """Whoever edits a file can edit its hash as well."""
    make = foreign if file == LAYERS else normalizer
    version = zoo.export(make(), tmp_path / "m", examples=ROWS, variants=())
    (version / file).write_bytes(content)
    edited = replace(read_passport(version), files=hash_files(version))
    (version / PASSPORT).write_text(edited.to_json())

    with pytest.raises(ArtifactError, match=reason) as caught:
        zoo.load(version)
    assert "\n" not in str(caught.value)


def test_layers_that_keras_cannot_describe_are_exported_and_refused_here(tmp_path: Path) -> None:
    class Doubled(keras.layers.Layer):
        def __init__(self, factor: object) -> None:
            super().__init__()
            self.factor = factor

        def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
            return x * 2.0

    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, {"y": Doubled(factor=object())(inputs)})
    version = zoo.export(model, tmp_path / "m", examples=ROWS)

    assert not (version / LAYERS).exists()
    with pytest.raises(ArtifactError, match="does not say which weights are whose"):
        zoo.load(version)


def test_an_artifact_of_the_first_format_says_what_to_do() -> None:
    with pytest.raises(ArtifactError, match=r"format 1\): export its run anew"):
        zoo.load(Path(__file__).parents[1] / "testdata" / "format_1" / "wine")


def test_the_layers_are_plain_json(tmp_path: Path) -> None:
    version = zoo.export(foreign(), tmp_path / "m", examples=ROWS)
    names = [layer["config"]["name"] for layer in json.loads((version / LAYERS).read_text())["config"]["layers"]]

    assert names == ["measures", "hidden", "norm", "out"]
