from pathlib import Path

import pytest

import zoo
from zoo.config import ModelConfig
from zoo.errors import ArtifactError, ConfigError, UnknownNameError
from zoo.inspection.subject import find_subject
from zoo.registry import example_config

MODEL = "architecture: mlp\ninput_shape: [4]\nunits: [3]\nhead: {kind: linear}\n"
RECIPE = "name: mine\ndata: {name: x}\nmodel:\n" + "".join(f"  {line}\n" for line in MODEL.splitlines())
CONFIG = ModelConfig.from_yaml(MODEL)


@pytest.mark.parametrize("name", ["mlp", "cnn_tiny"])
def test_a_name_is_completed_by_its_example(name: str) -> None:
    assert find_subject(name).config == example_config(name)


@pytest.mark.parametrize("overrides", [["units=[7]"], ["model.units=[7]"], [" units = [7]"]], ids=str)
def test_fields_can_be_changed_with_or_without_the_section(overrides: list[str]) -> None:
    assert find_subject("mlp", overrides).config == ModelConfig.parse({**example_config("mlp").to_dict(), "units": [7]})


@pytest.mark.parametrize("text", [MODEL, RECIPE], ids=["model", "recipe"])
def test_a_file_may_hold_a_recipe_or_a_model(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)

    subject = find_subject(str(path))
    assert (subject.name, subject.config) == ("mine", CONFIG)


def test_a_shipped_recipe_is_found_by_name() -> None:
    config = find_subject("digits_cnn").config

    assert config is not None
    assert (config.architecture, config.input_shape) == ("cnn", (8, 8, 1))


def test_a_run_is_found_by_its_folder_or_that_of_its_recipe(tmp_path: Path) -> None:
    for run, units in (("20260101T000000Z-aa", "[5]"), ("20260102T000000Z-bb", "[3]")):
        (tmp_path / "mine" / run).mkdir(parents=True)
        (tmp_path / "mine" / run / "config.yaml").write_text(RECIPE.replace("[3]", units))

    assert find_subject(str(tmp_path / "mine")).config == CONFIG
    assert find_subject(str(tmp_path / "mine" / run)).config == CONFIG


def test_an_exported_model_is_rebuilt_from_its_passport(artifact: Path) -> None:
    for path in (artifact, artifact.parent):
        subject = find_subject(str(path))

        assert subject.name == "iris"
        assert subject.config is not None
        assert subject.model().count_params() == 4 * 5 + 5 + 5 * 3 + 3


def test_a_keras_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mine.keras"
    zoo.build(CONFIG).save(path)

    subject = find_subject(str(path))
    assert (subject.name, subject.config) == ("mine", None)
    assert subject.model().count_params() == 4 * 3 + 3 + 3 + 1


def test_axes_of_any_length_keep_their_freedom_or_get_a_length() -> None:
    free, fixed = find_subject("cnn1d_small"), find_subject("cnn1d_small", length=50)

    assert free.config is not None
    assert fixed.config is not None
    assert (free.config.input_shape, free.length) == ((None, 8), None)
    assert (fixed.config.input_shape, fixed.length) == ((50, 8), 50)


def test_a_model_without_free_axes_has_no_length() -> None:
    assert find_subject("mlp", length=50).length is None


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("digit_cnn", r"no architecture, named size or recipe 'digit_cnn'; did you mean 'digits_cnn'"),
        ("no/such/file.yaml", "there is no file no/such/file.yaml"),
        ("none.yaml", "there is no file none.yaml"),
    ],
)
def test_what_does_not_exist_is_refused(what: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        find_subject(what)


def test_a_missing_keras_file_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"there is no file none\.keras"):
        find_subject("none.keras").model()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="neither the folder of a run"):
        find_subject(str(tmp_path))


@pytest.mark.parametrize("text", ["[1]", "name: x", "model: {units: [3]}"])
def test_a_file_without_a_model_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"mine\.yaml: expected a recipe with a section `model`"):
        find_subject(str(path))


def test_a_wrong_field_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="mlp: unknown field 'unit'; did you mean 'units'"):
        find_subject("mlp", ["unit=[3]"])


def test_the_fields_of_a_keras_file_cannot_be_changed() -> None:
    with pytest.raises(ConfigError, match=r"whose fields cannot be changed: leave 'units=\[3\]' out"):
        find_subject("mine.keras", ["units=[3]"])
