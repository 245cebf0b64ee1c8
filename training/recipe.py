"""Recipes: the experiments that come with the package, and your own, as YAML files."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from training.config import TrainConfig
from zoo.artifact import read_passport
from zoo.errors import ConfigError, UnknownNameError, did_you_mean
from zoo.overrides import with_overrides
from zoo.yaml_text import parse_yaml, read_text

SUFFIXES = (".yaml", ".yml", ".json")


def list_recipes() -> list[str]:
    """Return the names of the recipes that come with the package, sorted."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("training.recipes").iterdir()
        if entry.name.endswith(".yaml")
    )


def read_recipe(recipe: str | Path) -> str:
    """Return the text of a recipe.

    Args:
        recipe: the name of one that comes with the package, or the path of a YAML file of yours.

    Raises:
        UnknownNameError: there is none of that name, and no such file.
    """
    name = str(recipe)
    if name in list_recipes():
        return files("training.recipes").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    path = Path(recipe)
    if path.is_file():
        return read_text(path)
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        raise UnknownNameError(f"there is no recipe file {name}")
    raise UnknownNameError(f"unknown recipe {name!r}; {did_you_mean(name, list_recipes())}; or give the path of a file")


def recipe_texts() -> dict[str, str]:
    """Return the text of every recipe that comes with the package by name, for `zoo summary` and `zoo plot`."""
    return {name: read_recipe(name) for name in list_recipes()}


def load_recipe(recipe: str | Path, overrides: Iterable[str] = ()) -> TrainConfig:
    """Return a recipe as a config.

    Example:
        >>> from training import load_recipe
        >>> load_recipe("digits_cnn", ["seed=3"]).seed
        3

    Args:
        recipe: a name or a path, as in `read_recipe`.
        overrides: fields to change, as in `with_overrides`.

    Raises:
        UnknownNameError: there is no such recipe.
        ConfigError: the recipe or an override is wrong; the message names the field.
    """
    data = parse_yaml(read_recipe(recipe))
    if not isinstance(data, Mapping):
        raise ConfigError(f"recipe {recipe}: expected a mapping of sections, got {type(data).__name__}")
    return _parse(data, overrides, f"recipe {recipe}")


def recipe_of_version(version: Path, overrides: Iterable[str] = ()) -> TrainConfig:
    """Return the recipe that an exported version was trained by, as its passport has it.

    Args:
        version: its folder.
        overrides: fields to change, as in `with_overrides`.

    Raises:
        ArtifactError: it has no passport.
        ConfigError: it was not trained by a recipe, or that or an override is wrong.
    """
    config = read_passport(version).config
    if config is None or "data" not in config:
        raise ConfigError(
            f"{version} was not trained by a recipe: name one, as in `zoo train my_recipe.yaml --from {version}`"
        )
    return _parse(config, overrides, f"the recipe of {version}")


def _parse(data: Mapping[str, Any], overrides: Iterable[str], what: str) -> TrainConfig:
    plain: dict[str, Any] = with_overrides(data, overrides)
    try:
        return TrainConfig.parse(plain)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None
