"""Folders with a folder of files for each class."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from training.data.files.classes import number_classes
from training.data.files.rows import existing
from zoo.errors import ConfigError


def list_classes(
    path: str | Path, suffixes: Collection[str], known: Sequence[str] | None
) -> tuple[list[Path], np.ndarray, tuple[str, ...]]:
    """Return the files of all classes in the order of their paths, the number of each one's class, and the classes' names.

    What begins with a dot is passed over.

    Args:
        path: of the folder of folders.
        suffixes: that files may have, in lower case.
        known: the classes; None takes the names of the folders, sorted.

    Raises:
        UnknownNameError: there is no such folder.
        ConfigError: a class has no file, or one that is something else.
    """
    folder = existing(path, folder=True)
    classes = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    stray = next((item for item in classes if not item.is_dir()), None)
    if stray is not None:
        raise ConfigError(f"{folder}: expected a folder for each class and nothing else, found the file {stray.name}")
    if not classes:
        raise ConfigError(f"{folder}: expected a folder for each class, found none")
    files: list[Path] = []
    for each in classes:
        found = sorted(item for item in each.iterdir() if not item.name.startswith("."))
        other = next((item for item in found if item.suffix.lower() not in suffixes or item.is_dir()), None)
        if other is not None:
            what = "a folder" if other.is_dir() else "a file"
            raise ConfigError(f"{other}: {what}, expected files of {', '.join(sorted(suffixes))} alone in {each}")
        if not found:
            raise ConfigError(
                f"{each}: the class {each.name!r} has no files: expected some of {', '.join(sorted(suffixes))}"
            )
        files += found
    numbers, names = number_classes(
        [file.parent.name for file in files], known, where=lambda row: str(files[row].parent)
    )
    return files, numbers, names


def read_all(files: Sequence[Path], read: Callable[[Path], np.ndarray]) -> list[np.ndarray]:
    """Read files in several threads, in order. The first error in that order is raised."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(read, files))


def stack(files: Sequence[Path], arrays: Sequence[np.ndarray], *, remedy: str) -> np.ndarray:
    """Return arrays of one shape as one, (rows, ...).

    Raises:
        ConfigError: they are of different shapes; it names the first file that differs, and the remedy.
    """
    for file, array in zip(files, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise ConfigError(
                f"{file} is {_size(array)}, but {files[0]} is {_size(arrays[0])}: rows of one size are needed; {remedy}"
            )
    return np.stack(arrays)


def _size(array: np.ndarray) -> str:
    return (
        f"{array.shape[0]} samples long"
        if array.ndim == 1
        else "x".join(map(str, array.shape[:2])) + " (height x width)"
    )
