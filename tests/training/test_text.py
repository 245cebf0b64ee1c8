"""Strings from the data set to the served model."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import training
import zoo
from training import Dataset, Split, TrainConfig
from zoo.errors import ConfigError
from zoo.preprocessing import needs_adapting

SOFTMAX = {"kind": "softmax", "units": 2}
LOOKUP: dict[str, Any] = {
    "architecture": "mlp",
    "input_shape": [2],
    "units": [4],
    "head": SOFTMAX,
    "preprocessing": [{"kind": "lookup", "vocabulary_sizes": [3, 4]}, {"kind": "normalization"}],
}
TOKENS: dict[str, Any] = {
    "architecture": "transformer_tiny",
    "input_shape": [],
    "vocabulary_size": 8,
    "head": SOFTMAX,
    "preprocessing": [{"kind": "tokens", "length": 4, "vocabulary_size": 8}],
}


def table(rows: int) -> Split:
    """The colour tells the class, the size nothing; the last rows hold categories that no other has."""
    labels = np.arange(rows) % 2
    sizes = np.random.default_rng(rows).choice(["S", "M", "L", "XL"], rows)
    inputs = np.array([(("red", "blue")[label], size) for label, size in zip(labels, sizes, strict=True)], object)
    inputs[-2:] = [["pink", "M"], ["blue", "?"]]
    return Split(inputs, labels)


def sentences(rows: int) -> Split:
    labels = np.arange(rows) % 2
    words = np.random.default_rng(rows).choice(["a", "the", "film", "Ärger"], rows)
    return Split(
        np.array([f"{word} {('good', 'BAD!')[x]}" for x, word in zip(labels, words, strict=True)], object), labels
    )


def data_of(make: Callable[[int], Split]) -> Dataset:
    return Dataset("text", {"train": make(48), "validation": make(20), "test": make(24)}, class_names=("no", "yes"))


def recipe(model: dict[str, Any], folder: Path, **fields: Any) -> TrainConfig:
    return TrainConfig.parse(
        {
            "name": "text",
            "data": {"name": "text"},
            "model": model,
            "optimizer": {"learning_rate": 0.1},
            "train": {"epochs": 3, "batch_size": 16},
            "export": {"repository": str(folder / "models")},
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("model", "make"),
    [(LOOKUP, table), pytest.param(TOKENS, sentences, marks=pytest.mark.slow)],
    ids=["lookup", "tokens"],
)
def test_raw_strings_are_trained_on_exported_and_served(
    model: dict[str, Any], make: Callable[[int], Split], tmp_path: Path
) -> None:
    data = data_of(make)
    run = training.train(recipe(model, tmp_path), data=data, runs=tmp_path / "runs")
    assert run.metrics["test"]["accuracy"] > 0.8
    assert run.artifact is not None
    assert zoo.verify(run.artifact).ok

    restored, rows = run.model(), tf.constant(data.split("test").inputs)
    assert not needs_adapting(restored)
    served = tf.saved_model.load(str(run.artifact)).signatures["serving_default"](inputs=rows)
    np.testing.assert_array_equal(served["probabilities"], tf.function(restored)(rows)["probabilities"])
    assert training.evaluate(run, data=data) == pytest.approx(run.metrics["test"], rel=1e-6)


def test_steps_adapt_to_the_training_split_alone(tmp_path: Path) -> None:
    data = data_of(table)
    only_in_test = Split(np.array([["green", "S"]] * 24, object), data.split("test").labels)
    data = Dataset("text", {**data.splits, "test": only_in_test})

    run = training.train(recipe(LOOKUP, tmp_path, export=None), data=data, runs=tmp_path)

    categories = run.model().get_layer("preprocessing_0_lookup").vocabularies
    assert categories[0] == ("blue", "red"), "24 of blue and 23 of red, one of which became pink"


def test_numbers_are_refused_where_the_model_takes_strings(tmp_path: Path) -> None:
    data = data_of(lambda rows: Split(np.zeros((rows, 2), "float32"), np.arange(rows) % 2))
    with pytest.raises(ConfigError, match="the model takes text, but the inputs of text/train are float32"):
        training.train(recipe(LOOKUP, tmp_path), data=data, runs=tmp_path)


def test_strings_are_refused_where_the_model_takes_numbers(tmp_path: Path) -> None:
    numbers = {**LOOKUP, "preprocessing": []}
    with pytest.raises(ConfigError, match="of dtype object, expected numbers"):
        training.train(recipe(numbers, tmp_path), data=data_of(table), runs=tmp_path)


def test_fractions_are_refused_where_the_model_takes_whole_numbers(tmp_path: Path) -> None:
    numbers = {**LOOKUP, "preprocessing": [{"kind": "lookup", "values": "int32", "vocabulary_size": 3}]}
    data = data_of(lambda rows: Split(np.full((rows, 2), 0.5), np.arange(rows) % 2))
    with pytest.raises(ConfigError, match="the model takes whole numbers, but the inputs of text/train hold fractions"):
        training.train(recipe(numbers, tmp_path), data=data, runs=tmp_path)


MIRRORED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np, training
from test_text import LOOKUP, data_of, recipe, table
weights = []
for strategy in ("mirrored", "default"):
    config = recipe(LOOKUP, Path(sys.argv[2]), strategy=strategy, export=None)
    run = training.train(config, data=data_of(table), runs=sys.argv[2])
    weights.append([np.asarray(weight) for weight in run.model().weights])
print(max(float(np.abs(a - b).max()) for a, b in zip(*weights)))
"""


@pytest.mark.slow
def test_two_replicas_learn_from_strings_what_one_learns(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert float(done.stdout) < 1e-5
