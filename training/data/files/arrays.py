"""NumPy arrays in files."""

import contextlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from training.config import ArraysConfig
from training.data.files.rows import Rows, existing
from training.data.split import Arrays, Split
from zoo.errors import ConfigError, UnknownNameError, did_you_mean

SPLITS = ("train", "validation", "calibration", "test")


def read_arrays(config: ArraysConfig, path: str, known: tuple[str, ...] | None, *, split: str = "") -> Rows:
    """Read a `.npz` file or a folder of `.npy` files.

    Args:
        config: which arrays are what.
        path: of the file or folder.
        known: the names of the classes, where labels are that.
        split: what `{split}` in a name stands for.

    Raises:
        UnknownNameError: there is no such file or array.
        ConfigError: a file is damaged, or holds Python objects.
    """
    chosen = [name.replace("{split}", split) for name in _names(config)]
    if existing(path).is_dir():
        arrays = {name: _load_npy(Path(path), name) for name in chosen}
    else:
        arrays = _load_npz(Path(path), chosen)
    for name, array in arrays.items():
        if array.ndim == 0:
            raise ConfigError(f"{path}: the array {name!r} is the one value {array!r:.60}, expected an entry per row")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            rows = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
            raise ConfigError(
                f"{path}: the array {name!r} holds NaN or infinity in {rows.size} of {len(array)} rows, first in "
                f"{name}[{rows[0]}]: drop these rows, or put numbers in their place"
            )
        if array.dtype.kind == "U":  # as other readers give text
            arrays[name] = array.astype(object)

    def pick(names: str | Mapping[str, str]) -> Arrays:
        if isinstance(names, str):
            return arrays[names.replace("{split}", split)]
        return {key: arrays[name.replace("{split}", split)] for key, name in names.items()}

    weights = None if config.weights is None else arrays[config.weights.replace("{split}", split)]
    try:
        picked = Split(pick(config.inputs), pick(config.labels), weights)
        return Rows(picked, known or (), overlap=0 if config.in_time else None)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def splits_in(config: ArraysConfig, path: str) -> list[str]:
    """Return the splits that one file or folder holds, where their names are in those of the arrays."""
    found = existing(path)
    there = {file.stem for file in found.glob("*.npy")} if found.is_dir() else _names_in(found)
    name = next(iter(_names(config)))
    splits = [split for split in SPLITS if name.replace("{split}", split) in there]
    if "train" not in splits:
        wanted = name.replace("{split}", "train")
        raise UnknownNameError(f"{path} has no array {wanted!r}; {did_you_mean(wanted, there)}")
    return splits


def _names_in(path: Path) -> set[str]:
    with _opened(path) as file:
        return set(file.files)


def _names(config: ArraysConfig) -> list[str]:
    names = [config.weights] if config.weights is not None else []
    for part in (config.labels, config.inputs):
        names = [*([part] if isinstance(part, str) else part.values()), *names]
    return names


def _load_npz(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    with _opened(path) as file:
        unknown = next((name for name in names if name not in file), None)
        if unknown is not None:
            raise UnknownNameError(f"{path} has no array {unknown!r}; {did_you_mean(unknown, file)}")
        try:
            return {name: file[name] for name in names}
        except (ValueError, zipfile.BadZipFile, OSError, EOFError) as error:
            raise ConfigError(_damaged(path, error)) from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    with path.open("rb") as opened:
        try:
            file = np.load(opened, allow_pickle=False)
        except (ValueError, zipfile.BadZipFile, OSError, EOFError) as error:
            what = "is empty" if not path.stat().st_size else f"is no .npz file that can be read ({error})"
            raise ConfigError(f"{path} {what}: write one with numpy.savez(path, x=..., y=...)") from None
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ConfigError(
                f"{path} holds one array alone: give a .npz file, or the folder in which the .npy files are"
            )
        with file:
            yield file


def _load_npy(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    if not path.is_file():
        there = [file.stem for file in folder.glob("*.npy")]
        raise UnknownNameError(f"{folder} has no array {name!r} ({name}.npy); {did_you_mean(name, there)}")
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ConfigError(_damaged(path, error)) from None
    return array


def _damaged(path: Path, error: Exception) -> str:
    if "Object arrays" in str(error):
        return f"{path} holds Python objects, which may run code when they are read: save numbers, or text as dtype str"
    return f"{path} is damaged ({error}): put a whole one in its place"
