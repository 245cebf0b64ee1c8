"""Folds: every row of a data set is held out once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.config import TrainConfig
from training.data import Dataset, Split
from training.data.holding_out import hold_out
from zoo.errors import ConfigError

VALIDATION = 0.15
"""Of the rows that a fold learns from: so many choose its best epoch."""


@dataclass(frozen=True)
class Folds:
    """A data set cut into K parts, each of which is the test split of one fold and teaches the others.

    Rows must not depend on each other: neighbouring windows of a series or near-duplicates would leak.
    """

    data: Dataset
    rows: Split
    """All rows: those of train, validation, calibration and test, in this order."""
    parts: tuple[np.ndarray, ...]
    """The numbers of the rows that each fold holds out, ascending."""
    classes: np.ndarray | None
    """The class of every row, where the folds are stratified."""
    seed: int

    @classmethod
    def cut(cls, data: Dataset, count: int, config: TrainConfig) -> "Folds":
        """Cut a data set, as scikit-learn's `StratifiedKFold` or `KFold` does when it shuffles.

        Args:
            data: all of its splits are joined first.
            count: how many folds.
            config: its seed draws the folds; where its model answers classes, each fold gets of every class its share.

        Raises:
            ConfigError: there are fewer than two folds, or fewer rows, of a class or in all, than folds.
        """
        from sklearn.model_selection import KFold, StratifiedKFold

        rows = _join([data.splits[name] for name in _in_order(data)])
        classes = _classes(rows, config)
        fewest, what = len(rows), "rows"
        if classes is not None:
            fewest, what = int(np.unique(classes, return_counts=True)[1].min()), "rows of its rarest class"
        if not 2 <= count <= fewest:
            raise ConfigError(f"{data.name} has {fewest} {what}: expected 2 to {fewest} folds, got {count}")
        draw = {"n_splits": count, "shuffle": True, "random_state": config.seed}
        cutter = KFold(**draw) if classes is None else StratifiedKFold(**draw)
        parts = tuple(held for _, held in cutter.split(np.zeros(len(rows)), classes))
        return cls(data, rows, parts, classes, config.seed)

    def datasets(self) -> Iterator[Dataset]:
        """Yield each fold as a data set of its own: `train`, `validation` and `test`, which is the part held out."""
        everyone = np.arange(len(self.rows))
        for number, held in enumerate(self.parts, 1):
            others = np.setdiff1d(everyone, held)
            classes = None if self.classes is None else self.classes[others]
            inner = hold_out(len(others), {"validation": VALIDATION}, seed=self.seed, classes=classes)
            numbers = {"train": others[inner["train"]], "validation": others[inner["validation"]], "test": held}
            splits = {name: self.rows.taken(found).aligned() for name, found in numbers.items()}
            yield replace(self.data, name=f"{self.data.name}, fold {number} of {len(self.parts)}", splits=splits)


def _in_order(data: Dataset) -> list[str]:
    known = [name for name in ("train", "validation", "calibration", "test") if name in data.splits]
    return known + sorted(data.splits.keys() - set(known))


def _classes(rows: Split, config: TrainConfig) -> np.ndarray | None:
    """Return the class of every row, where the model's one head tells classes apart."""
    labels, heads = rows.named_labels(), config.model.named_heads()
    if len(labels) != 1 or len(heads) != 1:
        return None
    (label,), (head,) = labels.values(), heads.values()
    tells = head.kind == "softmax" or (head.kind == "sigmoid" and head.units == 1)
    if not tells or label.size != len(rows):
        return None
    return label.reshape(-1)


def _join(splits: list[Split]) -> Split:
    def joined(arrays: list[Any]) -> Any:
        if isinstance(arrays[0], np.ndarray):
            return np.concatenate(arrays)
        return {name: np.concatenate([array[name] for array in arrays]) for name in arrays[0]}

    weights = None
    if any(split.weights is not None for split in splits):
        if any(split.weights is None for split in splits):
            raise ConfigError("some splits have weights of rows and others have none: folds need them for all or none")
        weights = np.concatenate([split.weights for split in splits if split.weights is not None])
    return Split(joined([split.inputs for split in splits]), joined([split.labels for split in splits]), weights)
