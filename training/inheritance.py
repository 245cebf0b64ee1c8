"""Beginning with the weights of an exported version, rather than with random ones."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import zoo
from zoo.artifact import find_version, read_passport
from zoo.errors import ConfigError
from zoo.passport import Parent
from zoo.preprocessing import adapted_layers


@dataclass(frozen=True)
class Inheritance:
    """What a model took over from an exported version."""

    version: Path
    parent: Parent
    taken: int
    """Variables."""
    new: tuple[str, ...]
    """Paths of those that begin at random, because the version has none of that path and shape."""

    def describe(self) -> str:
        """Return it as one line for people."""
        text = f"begins with {self.taken} of {self.taken + len(self.new)} variables of {self.version}"
        if self.new:
            shown = ", ".join(self.new[:4]) + (f" and {len(self.new) - 4} more" if self.new[4:] else "")
            text += f"; new: {shown}"
        return text


def inherit(model: keras.Model, path: str | Path) -> Inheritance:
    """Give a model the weights of an exported version, where path and shape are the same, and what its preprocessing learnt.

    Heads of other sizes, or with other names, stay as they are: so a model is fine-tuned to other classes.

    Args:
        model: a built one.
        path: a version's folder, or a model's for the newest of its versions.

    Raises:
        ArtifactError: there is no such version, or it cannot be loaded (see `zoo.load`).
        ConfigError: the models have nothing in common.
    """
    version = find_version(Path(path))
    source = zoo.load(version)
    known = {variable.path: variable for variable in source.variables}
    taken, new = [], []
    for variable in model.weights:  # which the states of random generators are not
        match = known.get(variable.path)
        if match is None or tuple(match.shape) != tuple(variable.shape):
            new.append(variable.path)
            continue
        variable.assign(match.numpy())
        taken.append(variable.path)
    if not taken:
        raise ConfigError(
            f"{version} is a {source.name} with no variable of the path and shape of one of this {model.name}: "
            "give `model` the architecture and sizes that its passport has"
        )
    _take_what_was_learnt(model, source)
    passport = read_passport(version)
    number = int(version.name) if version.name.isdigit() else None
    return Inheritance(version, Parent(passport.name, number, passport.hash), len(taken), tuple(new))


def _take_what_was_learnt(model: keras.Model, source: keras.Model) -> None:
    """Keep statistics and vocabularies, which the weights go with, in place of those of the new data."""
    learnt = {layer.name: layer for layer in adapted_layers(source)}
    for layer in adapted_layers(model):
        match = learnt.get(layer.name)
        if match is not None and type(match) is type(layer) and _fit(match.state(), layer.state()):
            layer.restore(match.state())


def _fit(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    """Tell whether two states are of the same kind: text of any length, numbers of equal shape."""
    return one.keys() == two.keys() and all(
        one[key].dtype.kind in "SUu" or one[key].shape == two[key].shape for key in one
    )
