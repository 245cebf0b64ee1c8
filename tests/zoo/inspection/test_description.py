import pytest
import yaml

import zoo
from zoo.config import ModelConfig
from zoo.errors import UnknownNameError
from zoo.inspection.description import Description, describe
from zoo.inspection.fields import Field
from zoo.registry import example_config

names = pytest.mark.parametrize("name", [*zoo.list_architectures(), *zoo.list_models()])


def field(described: Description, path: str) -> Field:
    (found,) = [each for each in described.fields if each.path == path]
    return found


@names
def test_every_field_is_told_with_its_meaning(name: str) -> None:
    described = describe(name)

    told = {each.path.partition(".")[0] for each in described.fields}
    assert told == set(type(example_config(name)).model_fields) - {"architecture"}
    assert [each.path for each in described.fields if not each.meaning] == []
    assert [each.path for each in described.fields if not each.type] == []


@names
def test_the_yaml_to_copy_is_the_example(name: str) -> None:
    text = describe(name).uses["YAML, the section of a recipe"]

    assert ModelConfig.parse(yaml.safe_load(text)["model"]) == example_config(name)


@names
def test_the_python_to_copy_builds_the_example(name: str) -> None:
    _, line = describe(name).uses["Python"].splitlines()
    arguments = line.removeprefix("model = zoo.build(")[:-1]

    config = eval(  # noqa: S307 - our own text
        f"(lambda name, **fields: parse(dict(fields, architecture=name)))({arguments})", {"parse": ModelConfig.parse}
    )
    assert config == example_config(name)


def test_required_fields_come_first_then_those_that_it_has_alone() -> None:
    paths = [each.path for each in describe("cnn").fields]

    assert paths[0] == "input_shape"
    assert paths.index("filters") < paths.index("activation") < paths.index("regularization.l2")


@pytest.mark.parametrize(
    ("path", "words", "default"),
    [
        ("input_shape", "list of whole numbers >= 1 or null", "required"),
        ("filters", "list of whole numbers >= 1", "[32, 64]"),
        ("activation", "name, or {kind: name, ...}", "relu"),
        ("bias_initializer", "name, number, or {kind: name, ...}", "zeros"),
        ("use_bias", "true | false", "true"),
        ("regularization.l2", "number >= 0", "0.0"),
        ("regularization.dropout", "number >= 0 and < 1", "0.0"),
        ("regularization.normalization", "batch | layer | group | rms or null", "null"),
        ("head.kind", "sigmoid | softmax | linear | token", "required"),
        ("preprocessing", "list of steps", "[]"),
    ],
)
def test_types_and_defaults_are_in_words(path: str, words: str, default: str) -> None:
    found = field(describe("cnn"), path)

    assert (found.type, found.default_in_words) == (words, default)


def test_a_named_size_tells_what_it_fixes() -> None:
    described = describe("mlp_tiny")

    assert described.stands_for == "mlp units=[16, 16]"
    assert field(described, "units").default_in_words == "[16, 16] (fixed by the name)"
    assert not field(described, "activation").fixed


def test_a_named_size_tells_what_it_fixes_within_a_section() -> None:
    assert (
        field(describe("resnet_tiny"), "regularization.normalization").default_in_words == "batch (fixed by the name)"
    )


def test_preprocessing_steps_are_told() -> None:
    fields, meaning = describe("mlp").steps["rescaling"]

    assert fields == "scale, offset=0.0"
    assert "x * scale + offset" in meaning


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no architecture or named size 'cnn_tny'; did you mean 'cnn_tiny'"):
        describe("cnn_tny")
