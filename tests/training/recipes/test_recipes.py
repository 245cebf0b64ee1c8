"""The recipes that come with the package: their files, their models, and a first few steps on their real data."""

import re
from pathlib import Path

import pytest

import training
import zoo
from training.recipe import list_recipes, read_recipe
from training.sources import find_collection

INSTALLED = ("wine_mlp", "cancer_mlp", "diabetes_mlp", "digits_mlp")
"""Those whose data comes with a package, small enough to train on here."""
OWED = {"command", "hardware", "wall time", "held-out", "chosen by"}


def header(name: str) -> dict[str, str]:
    """Return the fields of a recipe's header: comment lines `key: value`, each with the lines that go on with it."""
    found: dict[str, str] = {}
    key = ""
    for line in read_recipe(name).splitlines():
        if not line.startswith("#"):
            break
        match = re.match(r"# ([a-z-]+(?: [a-z]+)?): +(.*)", line)
        if match:
            key, found[match[1]] = match[1], match[2]
        elif key:
            found[key] += " " + line.removeprefix("#").strip()
    return found


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_is_named_for_its_file_and_its_model_builds(name: str) -> None:
    config = training.load_recipe(name)
    assert config.name == name
    assert zoo.build(config.model).count_params() > 0


@pytest.mark.parametrize("name", list_recipes())
def test_a_header_says_how_to_run_it_and_what_was_measured(name: str) -> None:
    found = header(name)
    assert not OWED - found.keys()
    assert found["command"].startswith(f"zoo train {name}")
    assert re.search(r"\d\.\d", found["held-out"]), "a measured number"
    assert re.search(r"\d+ (s|min)", found["wall time"])


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_learns_from_a_data_set_whose_licence_is_known(name: str) -> None:
    config = training.load_recipe(name)
    assert isinstance(config.data, training.config.DataConfig)
    assert find_collection(config.data.name).licence


@pytest.mark.parametrize("name", INSTALLED)
def test_a_recipe_learns_within_a_few_epochs(name: str, tmp_path: Path) -> None:
    run = training.train(training.quick(training.load_recipe(name)), runs=tmp_path)
    assert run.status == "finished"
    assert run.history[-1]["metrics"]["train"]["loss"] < run.history[0]["metrics"]["train"]["loss"]
