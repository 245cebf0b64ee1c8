import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import zoo
from training.config import TrainConfig
from training.recipe import list_recipes, read_recipe
from training.schema import recipe_schema
from zoo.artifact import PASSPORT
from zoo.config import ModelConfig
from zoo.errors import ConfigError, UnknownNameError
from zoo.inspection import config_schema
from zoo.inspection.schema import find_schema
from zoo.registry import example_config
from zoo.yaml_text import parse_yaml

SOFTMAX = {"kind": "softmax", "units": 3}
MLP: dict[str, Any] = {"architecture": "mlp", "input_shape": [4], "head": SOFTMAX}
RECIPE: dict[str, Any] = {"name": "mine", "data": {"name": "sklearn_digits"}, "model": MLP}
names = pytest.mark.parametrize("name", [*zoo.list_architectures(), *zoo.list_models()])

MISTAKES: dict[str, dict[str, Any]] = {
    "an unknown architecture": {**MLP, "architecture": "mpl"},
    "no architecture": {"input_shape": [4], "head": SOFTMAX},
    "an unknown field": {**MLP, "unit": [3]},
    "a field of another architecture": {**MLP, "filters": [3]},
    "no input shape": {"architecture": "mlp", "head": SOFTMAX},
    "no head": {"architecture": "mlp", "input_shape": [4]},
    "both kinds of head": {**MLP, "heads": {"age": {"kind": "linear"}}},
    "an unknown kind of head": {**MLP, "head": {"kind": "hardmax"}},
    "a head without a kind": {**MLP, "head": {"units": 3}},
    "a head's name with a space": {**MLP, "head": None, "heads": {"my age": {"kind": "linear"}}},
    "a number in quotes": {**MLP, "units": ["16"]},
    "a number in place of a list": {**MLP, "units": 16},
    "no layers": {**MLP, "units": []},
    "a layer without units": {**MLP, "units": [0]},
    "dropout of everything": {**MLP, "regularization": {"dropout": 1.0}},
    "a misspelt regularizer": {**MLP, "regularization": {"drop_out": 0.1}},
    "an unknown normalization": {**MLP, "regularization": {"normalization": "bach"}},
    "an unknown preprocessing step": {**MLP, "preprocessing": [{"kind": "rescale", "scale": 2.0}]},
    "a step without what it needs": {**MLP, "preprocessing": [{"kind": "rescaling"}]},
    "an activation that is a number": {**MLP, "activation": 3},
}


@pytest.fixture(scope="module")
def model_validator() -> Draft202012Validator:
    return Draft202012Validator(config_schema(ModelConfig))


@pytest.fixture(scope="module")
def recipe_validator() -> Draft202012Validator:
    return Draft202012Validator(recipe_schema())


@pytest.mark.parametrize("name", ["model", "recipe", "cnn", "mlp_tiny"])
def test_schemas_are_of_the_draft_that_they_name(name: str) -> None:
    schema = find_schema(name)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@names
def test_every_example_is_valid_in_all_its_fields(name: str, model_validator: Draft202012Validator) -> None:
    written_out = example_config(name).to_dict()

    assert [error.message for error in model_validator.iter_errors(written_out)] == []
    assert [error.message for error in model_validator.iter_errors({**written_out, "architecture": name})] == []


@names
def test_the_schema_of_one_name_takes_it_alone(name: str) -> None:
    validator = Draft202012Validator(find_schema(name))
    written_out = {**example_config(name).to_dict(), "architecture": name}

    assert validator.is_valid(written_out)
    other = next(other for other in zoo.list_architectures() if other != name)
    assert not validator.is_valid({**written_out, "architecture": other})


@pytest.mark.parametrize("recipe", list_recipes())
def test_the_shipped_recipes_are_valid(recipe: str, recipe_validator: Draft202012Validator) -> None:
    assert [error.message for error in recipe_validator.iter_errors(parse_yaml(read_recipe(recipe)))] == []


def test_a_recipe_with_every_default_written_out_is_valid(recipe_validator: Draft202012Validator) -> None:
    assert recipe_validator.is_valid(TrainConfig.parse(RECIPE).to_dict())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_that_the_config_refuses_are_refused(mistake: str, model_validator: Draft202012Validator) -> None:
    with pytest.raises(ConfigError):
        ModelConfig.parse(MISTAKES[mistake])

    assert not model_validator.is_valid(MISTAKES[mistake])


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"nam": "x"}},
        {"dat": {"name": "x"}},
        {"optimizer": {"name": "adamm"}},
        {"train": {"epochs": 0}},
        {"strategy": "mirored"},
        {"seed": -1},
        {"model": {**MLP, "unit": [3]}},
    ],
    ids=str,
)
def test_mistakes_in_a_recipe_are_refused(change: dict[str, Any], recipe_validator: Draft202012Validator) -> None:
    assert recipe_validator.is_valid(RECIPE)
    assert not recipe_validator.is_valid({**RECIPE, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"strategy": "mirrored"},
        {"strategy": {"kind": "mirrored", "replicas": 2}},
        {"train": None},
        {"optimizer": None},
        {"strategy": None},
        {"export": None},
        {"export": {}},
    ],
    ids=str,
)
def test_short_forms_of_a_recipe_are_valid(change: dict[str, Any], recipe_validator: Draft202012Validator) -> None:
    TrainConfig.parse({**RECIPE, **change})

    assert recipe_validator.is_valid({**RECIPE, **change})


@pytest.mark.parametrize(
    "fields",
    [
        {"activation": "relu"},
        {"activation": "my_package>own"},
        {"activation": {"kind": "leaky_relu", "negative_slope": 0.1}},
        {"kernel_initializer": "xavier_uniform"},
        {"bias_initializer": 0.1},
        {"head": None, "heads": {"age": {"kind": "linear"}}},
        {"regularization": {"batch_norm": True}},
    ],
    ids=str,
)
def test_other_ways_to_write_a_field_are_valid(fields: dict[str, Any], model_validator: Draft202012Validator) -> None:
    assert [error.message for error in model_validator.iter_errors({**MLP, **fields})] == []


def test_a_named_size_needs_no_fields_that_it_fills_in(model_validator: Draft202012Validator) -> None:
    assert model_validator.is_valid({**MLP, "architecture": "mlp_tiny"})
    assert model_validator.is_valid({**MLP, "architecture": "mlp_tiny", "units": [3]})
    assert not model_validator.is_valid({"architecture": "mlp_tiny", "head": SOFTMAX})


def test_an_editor_is_offered_names_and_told_what_fields_mean() -> None:
    schema = config_schema(ModelConfig)

    activations = schema["$defs"]["ActivationConfig"]["anyOf"][0]["enum"]
    assert {"relu", "gelu", "prelu"} <= set(activations)
    assert "he_normal" in schema["$defs"]["InitializerConfig"]["anyOf"][0]["enum"]
    assert schema["$defs"]["MLPConfig"]["properties"]["units"]["description"] == "Width of each hidden layer."
    assert {"mlp", "mlp_tiny", "cnn"} <= set(schema["properties"]["architecture"]["enum"])


def test_a_former_name_of_a_field_is_marked_as_such() -> None:
    field = config_schema(ModelConfig)["$defs"]["RegularizationConfig"]["properties"]["batch_norm"]

    assert field["deprecated"] is True
    assert "normalization" in field["description"]


def test_an_unknown_schema_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="there is no schema 'recpie'; did you mean 'recipe'"):
        find_schema("recpie")


def test_a_passport_is_what_its_schema_says(tmp_path: Path) -> None:
    model = zoo.build("mlp", input_shape=(2,), units=[3], head={"kind": "softmax", "units": 2})
    version = zoo.export(model, tmp_path / "m", examples=np.eye(2, dtype=np.float32))
    document = json.loads((version / PASSPORT).read_text())
    validator = Draft202012Validator(find_schema("passport"))

    validator.validate(document)
    assert not validator.is_valid({**document, "golden": []})
    assert not validator.is_valid({key: value for key, value in document.items() if key != "signatures"})
