"""From the names of classes to their numbers."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from zoo.errors import ConfigError, did_you_mean


def number_classes(
    names: Sequence[str], known: Iterable[str] | None, *, where: Callable[[int], str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the number of the class of every row, int64 (rows,), and the classes' names.

    Args:
        names: of every row's class.
        known: the classes in the order of their numbers; None takes those that occur, sorted.
        where: says which row a number means, for the error.

    Raises:
        ConfigError: a row is of a class that is not known; one class alone, or none, is there.
    """
    ordered = tuple(known) if known is not None else tuple(sorted(set(names)))
    numbers = {name: number for number, name in enumerate(ordered)}
    for row, name in enumerate(names):
        if name not in numbers:
            raise ConfigError(f"{where(row)}: the class {name!r} is not one to learn; {did_you_mean(name, ordered)}")
    if len(ordered) < 2:
        raise ConfigError(f"{where(0)}: all rows are of the one class {ordered[0]!r}: there is nothing to tell apart")
    return np.array([numbers[name] for name in names], np.int64), ordered
