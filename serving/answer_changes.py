"""How the answers of a new version lie to those of the one before: what is broken, and how far the rest is apart."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from serving.codec import array_dtype_name

Arrays = Mapping[str, np.ndarray]

_SHOWN = 6
_LOGITS = "logits"
_ONE = 1e-3
"""How far the scores of a row may add up to something else than 1."""


@dataclass
class OutputChange:
    """Of one output, over all requests that were compared."""

    distance: float | None = None
    """The largest of a number; None where it has none that is finite on both sides."""
    rows: int = 0
    """That have a class: of labels and whole numbers each, of scores the place of the largest."""
    flips: int = 0
    """Of these, those whose class is another."""
    shapes: str = ""
    """The first two shapes that cannot be compared."""

    @property
    def share(self) -> float:
        """Of the rows, those whose class is another."""
        return self.flips / self.rows if self.rows else 0.0

    def __str__(self) -> str:
        parts = [self.shapes] if self.shapes else []
        if self.distance:
            parts.append(f"by up to {self.distance:.3g}")
        if self.flips:
            parts.append(f"another class in {self.flips} of {self.rows} rows ({self.share:.1%})")
        return ", ".join(parts)


@dataclass
class AnswerChanges:
    """Of all outputs. State: what was added; for one thread."""

    class_outputs: Collection[str] = ()
    """Outputs that are known to hold a score for each class."""
    outputs: dict[str, OutputChange] = field(default_factory=dict)

    def add(self, before: Arrays, after: Arrays, prefix: str = "") -> None:
        """Take in two answers to the same request, the later of which is not `broken`.

        Args:
            before: of the version before.
            after: of the new one.
            prefix: what to put before the names of outputs.
        """
        for name, old in before.items():
            self._add(self.outputs.setdefault(prefix + name, OutputChange()), name, old, after[name])

    def __str__(self) -> str:
        """Tell what changed most, in a line; empty where nothing did."""
        found = sorted(self.outputs.items(), key=lambda item: (-item[1].share, -(item[1].distance or 0.0)))
        shown = [f"{name} {change}" for name, change in found if str(change)]
        more = [f"and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
        return "; ".join(shown[:_SHOWN] + more)

    def _add(self, change: OutputChange, name: str, old: np.ndarray, new: np.ndarray) -> None:
        if old.shape != new.shape:
            change.shapes = change.shapes or f"of shape {list(new.shape)}, was {list(old.shape)}"
            return
        if old.size == 0:
            return
        if not _is_fractional(old):
            flipped = (old != new).reshape(len(old) if old.ndim else 1, -1).any(axis=1)
        else:
            old, new = _widened(old), _widened(new)
            both = np.isfinite(old) & np.isfinite(new)
            if both.any():
                change.distance = max(change.distance or 0.0, float(np.abs(new[both] - old[both]).max()))
            if not self._has_classes(name, old):
                return
            flipped = old.argmax(-1).ravel() != new.argmax(-1).ravel()
        change.rows += flipped.size
        change.flips += int(flipped.sum())

    def _has_classes(self, name: str, scores: np.ndarray) -> bool:
        """Tell whether the largest of the last axis is a class: of scores that add up to 1, and of what is called so."""
        if scores.ndim < 2 or scores.shape[-1] < 2 or scores.dtype.kind == "c":
            return False
        if name in self.class_outputs or name.rpartition(":")[2].endswith(_LOGITS):
            return True
        return bool((scores >= 0).all() and (np.abs(scores.sum(-1) - 1) < _ONE).all())


def broken(before: Arrays, after: Arrays) -> str | None:
    """Return in what an answer is surely worse than the one of the version before; None where it is not.

    An output is gone, of another dtype or rank, or not finite where it was. Outputs that are new do no harm.
    """
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            return f"output {name!r} is gone"
        if array_dtype_name(new) != array_dtype_name(old):
            return f"output {name!r} is {array_dtype_name(new)}, was {array_dtype_name(old)}"
        if new.ndim != old.ndim:
            return f"output {name!r} is of shape {list(new.shape)}, was {list(old.shape)}"
        if lost := _lost(old, new):
            return f"output {name!r} has {lost} of {new.size} numbers that are not finite, where they were"
    return None


def _lost(old: np.ndarray, new: np.ndarray) -> int:
    """Return how many numbers are no longer finite."""
    if not _is_fractional(new):
        return 0
    was = np.isfinite(old) if old.shape == new.shape else np.isfinite(old).all()
    return int((was & ~np.isfinite(new)).sum())


def _is_fractional(array: np.ndarray) -> bool:
    return array.dtype.kind in "fcV"  # bfloat16, which is no number of NumPy's own, is of kind V


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
