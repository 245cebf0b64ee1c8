from pathlib import Path

import pytest

from training import list_recipes, load_recipe
from training.recipe import read_recipe
from zoo.errors import ConfigError, UnknownNameError


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_loads_and_is_named_like_its_file(name: str) -> None:
    assert load_recipe(name).name == name


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_opens_with_its_command_hardware_time_and_result(name: str) -> None:
    header = [line for line in read_recipe(name).splitlines() if line.startswith("#")]
    assert header[0].startswith("# ")
    for word in (f"zoo train {name}", "hardware", "wall time", "held-out"):
        assert any(word in line for line in header), word


def test_a_recipe_by_path_with_overrides(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(read_recipe("digits_cnn").replace("name: digits_cnn", "name: mine"), encoding="utf-8")
    config = load_recipe(path, ["optimizer.learning_rate=2e-3", "model.filters=[8]"])
    assert (config.name, config.optimizer.learning_rate) == ("mine", 0.002)
    assert config.to_dict()["model"]["filters"] == [8]


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'digits_cnn'"):
        load_recipe("digit_cnn")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"no recipe file nowhere/at_all\.yaml"):
        load_recipe("nowhere/at_all.yaml")


def test_a_wrong_override_names_recipe_and_field() -> None:
    with pytest.raises(ConfigError, match="recipe digits_cnn: model: unknown field 'filtres'; did you mean 'filters'"):
        load_recipe("digits_cnn", ["model.filtres=[8]"])


def test_a_recipe_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="expected a mapping of sections, got list"):
        load_recipe(path)


def test_a_file_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    recipe = tmp_path / "picture.yaml"
    recipe.write_bytes(b"name: a\n\x89PNG")
    with pytest.raises(ConfigError, match=r"picture\.yaml is not UTF-8 text \(byte 0x89 at 8\)"):
        load_recipe(recipe)
