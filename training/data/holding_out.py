"""Which rows are held out for other splits."""

from collections.abc import Mapping

import numpy as np

from zoo.errors import ConfigError


def hold_out(
    rows: int,
    shares: Mapping[str, float],
    *,
    seed: int,
    classes: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the numbers of the rows of each split, ascending, `train` first; every row is in one of them.

    With classes, each split gets of every class its share, as near as whole rows allow. With groups, rows of one group stay
    together, and shares are met as near as whole groups allow.

    Args:
        rows: how many there are.
        shares: of all rows, by the name of the split they go to.
        seed: of the draw.
        classes: of every row.
        groups: of every row; classes are then not looked at.

    Raises:
        ConfigError: a split would get no rows, or training none.
    """
    random = np.random.default_rng(seed)
    if groups is not None:
        rank = _by_group(groups, random)
    elif classes is not None:
        rank = _by_class(classes, random)
    else:
        rank = random.permutation(rows)
    order = np.argsort(rank, kind="stable")
    places = np.empty(rows, np.int64)
    places[order] = np.arange(rows)
    if groups is not None:  # whole groups: a row goes where the first of its group goes
        first = {group: place for place, group in reversed(list(enumerate(groups[order])))}
        places = np.array([first[group] for group in groups])
    found, start = {}, 0.0
    for name, share in shares.items():
        low, high = round(start), round(start + share * rows)
        found[name] = np.flatnonzero((places >= low) & (places < high))
        start += share * rows
    kept = np.flatnonzero(places >= round(start))
    for name, part in {**found, "train": kept}.items():
        if not len(part):
            what = "groups" if groups is not None else "rows"
            raise ConfigError(
                f"data.hold_out: of {rows} rows, none are left for {name}: raise its share, or add {what}"
            )
    return {"train": kept, **found}


def hold_out_end(rows: int, shares: Mapping[str, float], *, overlap: int) -> dict[str, np.ndarray]:
    """Return the numbers of the rows of each split where rows follow each other: the last ones are held out.

    Args:
        rows: how many there are.
        shares: of all rows, by the name of the split they go to; the last of validation, calibration and test is the end.
        overlap: how many rows before a split are left out, because they share something with it.

    Raises:
        ConfigError: a split would get no rows, or training none.
    """
    found, end = {}, float(rows)
    for name in [name for name in ("test", "calibration", "validation") if name in shares]:
        start = end - shares[name] * rows
        found[name] = np.arange(round(start), max(round(start), round(end) - (overlap if end < rows else 0)))
        end = start
    kept = np.arange(max(0, round(end) - (overlap if shares else 0)))
    for name, part in {**found, "train": kept}.items():
        if not len(part):
            raise ConfigError(f"data.hold_out: of {rows} rows, none are left for {name}: raise its share, or add some")
    return {"train": kept, **dict(reversed(found.items()))}


def _by_class(classes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a number per row so that, in their order, every stretch of rows has the classes in proportion."""
    rank = np.empty(len(classes))
    for each in np.unique(classes):
        members = np.flatnonzero(classes == each)
        # evenly spread over 0..1, each class shifted by an amount of its own, so that rare ones are not all held out
        rank[random.permutation(members)] = (np.arange(len(members)) + random.uniform()) / len(members)
    return rank


def _by_group(groups: np.ndarray, random: np.random.Generator) -> np.ndarray:
    names, group = np.unique(groups.astype(str), return_inverse=True)
    return random.permutation(len(names))[group]
