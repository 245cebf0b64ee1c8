"""What is kept of a run on disk: its whole state, to go on from, and its best weights."""

import contextlib
import hashlib
import logging
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import keras
import numpy as np

from training.position import Position
from zoo.errors import ConfigError

_SUFFIX = ".npz"
_POSITION = "position"
_DIGEST = hashlib.sha256().digest_size
_DAMAGE = (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile)
"""What reading something else than a checkpoint raises."""
_log = logging.getLogger(__name__)

Variables = Mapping[str, Sequence[keras.Variable]]
"""Variables by what they belong to (`model`, `optimizer`, ...), in an order that is always the same."""


class Checkpoints:
    """The newest states of a run. Each file is whole or not there: it is written aside, flushed and renamed.

    A file is a NumPy archive, and the SHA-256 of it in the last 32 bytes: `np.load` reads it, and no bit can change unseen.
    """

    def __init__(self, folder: Path, variables: Variables, *, keep: int) -> None:
        """Keep so many checkpoints of these variables in a folder, which is made when the first is saved."""
        self._folder = folder
        self._variables = {
            f"{part}/{number:04d}": variable
            for part, items in variables.items()
            for number, variable in enumerate(items)
        }
        self._keep = keep

    def save(self, position: Position) -> Path | None:
        """Write the state of the moment, and remove checkpoints that are too many.

        Returns:
            The file; None where it could not be written (the disk is full): then a warning is logged, and what was there
            before stays.
        """
        path = self._folder / f"step-{position.step:09d}{_SUFFIX}"
        staging = path.with_name("." + path.name)
        arrays = {name: variable.numpy() for name, variable in self._variables.items()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with staging.open("w+b") as file:
                np.savez(file, allow_pickle=False, **arrays, **{_POSITION: np.array(position.to_json())})
                file.write(_digest(file, file.tell()))
                file.flush()
                os.fsync(file.fileno())
            staging.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                staging.unlink(missing_ok=True)
            newest = next(reversed(self._paths()), None)
            left = f"the newest is still {newest.name}" if newest else "there is none to go on from"
            _log.warning("no checkpoint was written at step %d (%s): %s", position.step, error, left)
            return None
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
            except _DAMAGE as error:
                _log.warning("the checkpoint %s is damaged (%s): going on with the one before", path, error)
                with contextlib.suppress(OSError):
                    path.unlink()  # else it would be kept for the newest, and a whole one removed
                continue
            except OSError as error:
                _log.warning("the checkpoint %s cannot be read (%s): going on with the one before", path, error)
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
        return _paths(self._folder)


def has_checkpoint(folder: Path) -> bool:
    """Tell whether there is something in a folder to go on from."""
    return bool(_paths(folder))


def read_checkpoints(folder: Path) -> list[dict[str, np.ndarray]]:
    """Return the variables of every checkpoint in a folder that is whole, from the oldest to the newest.

    Names are `<part>/<number>`: what they belong to (`model`, `optimizer`, ...) and their place there.
    """
    found = []
    for path in _paths(folder):
        with contextlib.suppress(OSError, *_DAMAGE):
            found.append(_read(path)[0])
    return found


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"step-*{_SUFFIX}"))


def _read(path: Path) -> tuple[dict[str, np.ndarray], Position]:
    with path.open("rb") as opened:
        size = opened.seek(-_DIGEST, os.SEEK_END) if path.stat().st_size > _DIGEST else 0
        if opened.read() != _digest(opened, size):
            raise ValueError("its bytes are not those that were written")
        opened.seek(0)
        with np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    position = Position.from_json(str(arrays.pop(_POSITION)))
    return arrays, position


def _digest(file: BinaryIO, size: int) -> bytes:
    """Return the SHA-256 of the first bytes of a file, and leave it standing after them."""
    digest = hashlib.sha256()
    file.seek(0)
    for start in range(0, size, 1 << 20):
        digest.update(file.read(min(1 << 20, size - start)))
    return digest.digest()


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
