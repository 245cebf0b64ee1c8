"""What an export writes down."""

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.export.exporting import SERVING, export, signature
from zoo.artifact import PASSPORT, read_passport
from zoo.passport import Passport
from zoo.tensors import read_tensor


@pytest.fixture(scope="module")
def passport(artifact: Path) -> Passport:
    return read_passport(artifact)


def test_the_passport_tells_every_input_and_output(passport: Passport) -> None:
    def told(tensors: Any) -> dict[str, tuple[Any, ...]]:
        return {name: (facts.dtype, facts.shape, facts.range) for name, facts in tensors.items()}

    serving, logits = passport.signatures[SERVING], passport.signatures["logits"]
    assert told(serving.inputs) == told(logits.inputs) == {"inputs": ("float32", (None, 4), (-4.0, 4.0))}
    assert told(serving.outputs) == {
        "probabilities": ("float32", (None, 3), (0.0, 1.0)),
        "class_id": ("int64", (None,), (0, 2)),
        "label": ("string", (None,), None),
    }
    assert told(logits.outputs) == {"logits": ("float32", (None, 3), None)}


def test_without_ranges_those_of_the_examples_are_told(model: keras.Model, tmp_path: Path) -> None:
    x = np.array([[1, 2, 3, 4], [-5, 0, 0, 0.5]], "float32")
    version = export(model, tmp_path / "m", examples=x)

    assert read_passport(version).signatures[SERVING].inputs["inputs"].range == (-5.0, 4.0)


def test_the_passport_holds_the_hash_of_every_other_file(artifact: Path, passport: Passport) -> None:
    files = {
        path.relative_to(artifact).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in artifact.rglob("*")
        if path.is_file() and path.name != PASSPORT.name
    }

    assert passport.files == files
    assert {"saved_model.pb", "variables/variables.index"} <= files.keys()


def test_the_golden_rows_are_the_first_eight_examples(passport: Passport, examples: np.ndarray) -> None:
    np.testing.assert_array_equal(read_tensor(passport.golden[SERVING].inputs["inputs"]), examples[:8])


def test_the_golden_answers_replay(artifact: Path, passport: Passport) -> None:
    got = signature(artifact)(inputs=read_tensor(passport.golden[SERVING].inputs["inputs"]))

    expected = passport.golden[SERVING].outputs
    assert got.keys() == expected.keys()
    np.testing.assert_allclose(got["probabilities"], read_tensor(expected["probabilities"]), atol=1e-6)
    assert got["label"].tolist() == read_tensor(expected["label"]).tolist()


def test_the_passport_names_the_classes(passport: Passport) -> None:
    assert passport.class_names == {"probabilities": ("setosa", "versicolor", "virginica")}


def test_the_passport_tells_what_the_caller_knows(passport: Passport) -> None:
    assert passport.name == "iris"
    assert passport.data == {"name": "iris", "splits": {"train": 120, "test": 30}}
    assert passport.metrics == {"test": {"accuracy": 0.5}}


def test_the_passport_names_the_libraries(passport: Passport) -> None:
    assert {name: passport.libraries[name] for name in ("keras", "tensorflow")} == {
        name: importlib.metadata.version(name) for name in ("keras", "tensorflow")
    }


def test_the_passport_holds_the_config_and_its_hash(tmp_path: Path) -> None:
    config = zoo.ModelConfig.parse({"architecture": "mlp", "input_shape": [4], "head": {"kind": "linear"}})
    version = export(zoo.build(config), tmp_path / "m", facts=zoo.ExportFacts(model=config))

    document = json.loads((version / PASSPORT).read_text())
    assert zoo.ModelConfig.parse(document["config"]) == config
    assert document["config_hash"] == config.content_hash()


def test_an_export_verifies(artifact: Path) -> None:
    assert zoo.verify(artifact).ok


def test_every_weight_is_stored_once(model: Any, artifact: Path) -> None:
    stored = tf.train.list_variables(str(artifact / "variables" / "variables"))
    weights = [shape for name, shape in stored if name.endswith("VARIABLE_VALUE")]
    assert sum(int(np.prod(shape)) for shape in weights) == model.count_params() == 4 * 5 + 5 + 5 * 3 + 3


def test_the_config_of_a_built_model_is_in_its_passport(tmp_path: Path) -> None:
    config = zoo.ModelConfig.parse({"architecture": "mlp", "input_shape": [4], "head": {"kind": "sigmoid", "units": 2}})
    passport = read_passport(export(zoo.build(config), tmp_path / "m"))
    assert passport.config_hash == config.content_hash()
    assert zoo.ModelConfig.parse(passport.config or {}) == config


def test_ranges_are_those_of_all_examples_and_unknown_where_there_are_none(model: Any, tmp_path: Path) -> None:
    examples = np.zeros((20, 4), np.float32)
    examples[15, 2], examples[19, 0] = 9, -3  # beyond the rows that are kept
    with_examples = read_passport(export(model, tmp_path / "with", examples=examples))
    assert with_examples.signatures["serving_default"].inputs["inputs"].range == (-3, 9)
    without = read_passport(export(model, tmp_path / "without"))
    assert without.signatures["serving_default"].inputs["inputs"].range is None


def test_exporting_again_makes_the_next_version(model: keras.Model, tmp_path: Path) -> None:
    first, second = export(model, tmp_path / "m"), export(model, str(tmp_path / "m"))

    assert (first, second) == (tmp_path / "m" / "1", tmp_path / "m" / "2")
