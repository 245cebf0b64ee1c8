"""What a person means who names a model: an architecture, a named size, a recipe, a run, a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import keras

from zoo.artifact import PASSPORT, list_versions, read_passport
from zoo.building import build
from zoo.config import ModelConfig
from zoo.errors import ConfigError, UnknownNameError, did_you_mean
from zoo.keras_file import load_model
from zoo.overrides import with_overrides
from zoo.passport import model_part
from zoo.registry import example_config, list_architectures, list_models
from zoo.yaml_text import parse_yaml

RECIPES = "zoo.recipes"
"""Other packages name a function in this group; it returns the YAML text of their recipes by name."""
RUN_CONFIG = "config.yaml"
"""Where a run keeps its recipe."""
SUFFIXES = (".yaml", ".yml", ".json")
_MODEL = "model."


@dataclass(frozen=True)
class Subject:
    """What is to be looked at."""

    name: str
    """How it can be called in a title, or a file name."""
    config: ModelConfig | None = None
    path: Path | None = None
    """Of a `.keras` file, where there is no config."""
    length: int | None = None
    """What the axes of any length were set to, where there are such."""

    def model(self) -> keras.Model:
        """Build or load it."""
        if self.config is not None:
            return build(self.config)
        return load_model(self.path or self.name)


def find_subject(what: str, overrides: Sequence[str] = (), *, length: int | None = None) -> Subject:
    """Return what is meant.

    Args:
        what: the name of an architecture or a named size, which its example completes; the name of a recipe; or the path of
            a recipe, of a model's config (YAML or JSON), of the folder of a run or an exported model, or of a `.keras` file.
        overrides: `FIELD=VALUE`, fields of the model to change; `model.` before the field may be left out.
        length: what to give axes that may be of any length; they keep their freedom where it is not given.

    Raises:
        UnknownNameError: there is no such name or file.
        ConfigError: it holds no model, or an override is wrong.
    """
    if what.endswith(".keras"):
        if overrides:
            raise ConfigError(
                f"{what} holds a finished model, whose fields cannot be changed: leave {overrides[0]!r} out"
            )
        return Subject(Path(what).stem, path=Path(what))
    name, data = _read(what)
    if any(override.strip().removeprefix(_MODEL).startswith("heads") for override in overrides):
        data = {key: value for key, value in data.items() if key != "head"}  # several take the place of the one
    changed = with_overrides(data, (override.strip().removeprefix(_MODEL) for override in overrides))
    try:
        config = ModelConfig.parse(changed)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None
    if length is None or None not in config.input_shape:
        return Subject(name, config)
    shape = [length if size is None else size for size in config.input_shape]
    try:
        return Subject(name, ModelConfig.parse({**config.to_dict(), "input_shape": shape}), length=length)
    except ConfigError as error:
        raise ConfigError(f"{what} cannot be shown with a length of {length}, choose another: {error}") from None


def recipes() -> dict[str, str]:
    """Return the text of every installed recipe by name."""
    found: dict[str, str] = {}
    for point in sorted(entry_points(group=RECIPES), key=lambda point: point.name):
        texts: Callable[[], Mapping[str, str]] = point.load()
        found.update(texts())
    return found


def _read(what: str) -> tuple[str, Mapping[str, Any]]:
    """Return a name for what is meant, and the plain data of its model."""
    names = {*list_architectures(), *list_models()}
    if what in names:
        return what, example_config(what).to_dict()
    path = Path(what)
    is_name = len(path.parts) == 1 and path.suffix not in SUFFIXES
    texts = recipes() if is_name else {}
    if what in texts:
        return what, _model_in(parse_yaml(texts[what]), what)
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        return path.stem, _model_in(parse_yaml(path.read_text(encoding="utf-8")), what)
    if not is_name:
        raise UnknownNameError(f"there is no file {what}")
    try:
        return what, example_config(what).to_dict()  # a former name
    except ConfigError:
        raise UnknownNameError(
            f"there is no architecture, named size or recipe {what!r}; {did_you_mean(what, {*names, *texts})}; "
            "or give the path of a file"
        ) from None


def _read_folder(path: Path) -> tuple[str, Mapping[str, Any]]:
    configs = [path / RUN_CONFIG] if (path / RUN_CONFIG).is_file() else sorted(path.glob(f"*/{RUN_CONFIG}"))
    if configs:
        data = parse_yaml(configs[-1].read_text(encoding="utf-8"))  # names of runs begin with their time
        return str(data.get("name", path.name)), _model_in(data, str(path))
    versions = list_versions(path) if not (path / PASSPORT).is_file() else {0: path}
    if versions:
        passport = read_passport(versions[max(versions)])
        if passport.config is None:
            raise ConfigError(f"{path} was exported without a config: there is nothing to build it from")
        return passport.name, _model_in(passport.config, str(path))
    raise UnknownNameError(f"{path} is neither the folder of a run, which has a {RUN_CONFIG}, nor of an exported model")


def _model_in(data: Any, where: str) -> Mapping[str, Any]:
    found = model_part(data)
    if found is not None:
        return found
    raise ConfigError(f"{where}: expected a recipe with a section `model`, or a model's config, with an `architecture`")
