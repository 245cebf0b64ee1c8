"""Classes that a split lacks: of what is not there nothing is learnt, and nothing is measured."""

import numpy as np

from training.config import TrainConfig
from training.data import Dataset

_NAMED = 5


def find_uncovered_classes(config: TrainConfig, data: Dataset) -> tuple[str, ...]:
    """Return what to say of classes with no row in a split, or with one alone to learn from; a sentence each.

    Heads that choose one class per row are looked at.

    Args:
        config: of the run.
        data: what it learns from and is measured on; it fits the model.
    """
    found: list[str] = []
    losses = config.losses()
    for head, choice in config.model.named_heads().items():
        if choice.kind not in {"softmax", "sigmoid"} or config.model.gives_sequence():
            continue
        if choice.kind == "sigmoid" and choice.units > 1:
            continue
        classes = 2 if choice.kind == "sigmoid" else choice.units
        spread = losses[head].kind == "categorical_crossentropy"
        names = data.class_names if len(data.class_names) == classes else ()
        counts = {
            name: _count(split.named_labels()[head], classes, spread=spread)
            for name, split in data.splits.items()
            if name in {"train", "validation", "test"}
        }
        of_head = f" of head {head!r}" if head else ""
        train = counts.pop("train")
        if not train.all():
            found.append(
                f"the train split has no row of {_listed(train == 0, names)}{of_head}: nothing is learnt of what is not "
                "there; add rows, or lower what data.hold_out takes"
            )
        if (train == 1).any():
            found.append(
                f"the train split has one row alone of {_listed(train == 1, names)}{of_head}: too few to learn what rows of "
                "a class have in common"
            )
        for split, count in counts.items():
            lacking = (count == 0) & (train > 0)
            if lacking.any():
                found.append(
                    f"the {split} split has no row of {_listed(lacking, names)}{of_head}: how well that is told apart is "
                    "not measured there; add rows, or raise what data.hold_out takes"
                )
    return tuple(found)


def _count(labels: np.ndarray, classes: int, *, spread: bool) -> np.ndarray:
    numbers = labels.argmax(axis=-1) if spread else np.floor(np.asarray(labels, np.float32).reshape(-1) + 0.5)
    return np.bincount(numbers.astype(np.int64), minlength=classes)


def _listed(chosen: np.ndarray, names: tuple[str, ...]) -> str:
    numbers = np.flatnonzero(chosen).tolist()
    named = ", ".join(repr(names[number]) if names else str(number) for number in numbers[:_NAMED])
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return f"{'class' if len(numbers) == 1 else 'classes'} {named}{more}"
