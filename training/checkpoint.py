"""What is kept of a run on disk: its whole state, to go on from, and its best weights."""

import logging
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from training.position import Position
from zoo.errors import ConfigError

_SUFFIX = ".npz"
_POSITION = "position"
_log = logging.getLogger(__name__)

Variables = Mapping[str, Sequence[keras.Variable]]
"""Variables by what they belong to (`model`, `optimizer`, ...), in an order that is always the same."""


class Checkpoints:
    """The newest states of a run. Each file is whole or not there: it is written aside, flushed and renamed."""

    def __init__(self, folder: Path, variables: Variables, *, keep: int) -> None:
        """Keep so many checkpoints of these variables in a folder, which is made when the first is saved."""
        self._folder = folder
        self._variables = {
            f"{part}/{number:04d}": variable
            for part, items in variables.items()
            for number, variable in enumerate(items)
        }
        self._keep = keep

    def save(self, position: Position) -> Path:
        """Write the state of the moment, and remove checkpoints that are too many."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"step-{position.step:09d}{_SUFFIX}"
        staging = path.with_name("." + path.name)
        arrays = {name: variable.numpy() for name, variable in self._variables.items()}
        with staging.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays, **{_POSITION: np.array(position.to_json())})
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
        for old in self._paths()[: -self._keep]:
            old.unlink(missing_ok=True)
        return path

    def restore(self) -> Position | None:
        """Bring the variables to the newest checkpoint that is whole, and return the position; None where there is none.

        Raises:
            ConfigError: a checkpoint is of another model or optimizer.
        """
        for path in reversed(self._paths()):
            try:
                arrays, position = _read(path)
            except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
                _log.warning("the checkpoint %s is damaged (%s): going on with the one before", path, error)
                continue
            self._check(path, arrays)
            for name, variable in self._variables.items():
                variable.assign(arrays[name])
            return position
        return None

    def _check(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        found = {name: array.shape for name, array in arrays.items()}
        wanted = {name: tuple(variable.shape) for name, variable in self._variables.items()}
        if found != wanted:
            name = next(name for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name))
            raise ConfigError(
                f"{path} is the state of another model or optimizer: {name} is {found.get(name, 'not there')}, "
                f"expected {wanted.get(name, 'none of that name')}"
            )

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"step-*{_SUFFIX}"))


def has_checkpoint(folder: Path) -> bool:
    """Tell whether there is something in a folder to go on from."""
    return any(folder.glob(f"step-*{_SUFFIX}"))


def _read(path: Path) -> tuple[dict[str, np.ndarray], Position]:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}  # each is checked against its CRC-32
    position = Position.from_json(str(arrays.pop(_POSITION)))
    return arrays, position


class BestWeights:
    """The weights of the best epoch so far. The file is always whole: it is written aside and renamed."""

    def __init__(self, path: Path) -> None:
        """Keep them at a path (`*.weights.h5`)."""
        self.path = path

    def save(self, model: keras.Model) -> None:
        """Make these the best weights."""
        staging = self.path.with_name("." + self.path.name)
        model.save_weights(staging)
        staging.replace(self.path)

    def restore(self, model: keras.Model) -> None:
        """Load them into a model of the same architecture."""
        model.load_weights(self.path)
