"""What a reader finds at one path, before it becomes splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.split import Arrays, Split
from zoo.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows with labels that are numbers already."""

    split: Split
    class_names: tuple[str, ...] = ()
    """Of the labels, where they are classes."""
    groups: np.ndarray | None = None
    """Rows with equal entries stay in one split, (rows,)."""
    overlap: int | None = None
    """Where rows follow each other (a text, a series), so that what is held out is the end: how many rows share something
    with the row after them; these are left out where a split begins. None where rows have no order."""

    @property
    def classes(self) -> np.ndarray | None:
        """Return the class of every row, where there is one."""
        labels = self.split.labels
        if isinstance(labels, Mapping) or labels.ndim != 1 or labels.dtype.kind not in "iu":
            return None
        return labels


def existing(path: str | Path, *, folder: bool | None = None) -> Path:
    """Return a path at which there is something.

    Args:
        path: absolute, or relative to the current folder.
        folder: whether it has to be a folder, or has to be a file; None: either.

    Raises:
        UnknownNameError: there is nothing, or the other.
    """
    found = Path(path)
    if not found.exists():
        siblings = sorted(item.name for item in found.parent.iterdir()) if found.parent.is_dir() else []
        hint = f"; {did_you_mean(found.name, siblings).split('known: ')[0].strip()}" if siblings else ""
        missing = "" if found.parent.is_dir() else f" (there is no folder {found.parent} either)"
        raise UnknownNameError(f"data.files: there is no {path} in {Path.cwd()}{missing}{hint.rstrip('; ')}")
    if folder is not None and found.is_dir() != folder:
        wanted, got = ("a folder", "a file") if folder else ("a file", "a folder")
        raise UnknownNameError(f"data.files: {path} is {got}, expected {wanted}")
    return found


def stacked(arrays: Arrays) -> Arrays:
    """Return arrays as they are, by name or one; a dict of one unnamed array is that array."""
    return arrays[""] if isinstance(arrays, Mapping) and arrays.keys() == {""} else arrays
