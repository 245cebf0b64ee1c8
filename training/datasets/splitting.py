"""Which rows go into which split: disjoint, seeded, the same every time."""

from collections.abc import Mapping, Sequence

import numpy as np


def split_stratified(labels: np.ndarray, sizes: Mapping[str, int], *, seed: int) -> dict[str, np.ndarray]:
    """Return the row numbers of each split, every class with its share of each.

    Args:
        labels: the class of every row, (rows,).
        sizes: rows of each split; they add up to all rows.
        seed: of the draw.
    """
    from sklearn.model_selection import train_test_split

    rest = np.arange(len(labels))
    rows = {}
    for name in reversed([name for name in sizes if name != "train"]):
        rest, part = train_test_split(rest, test_size=sizes[name], stratify=labels[rest], random_state=seed)
        rows[name] = np.sort(part)
    rows["train"] = np.sort(rest)
    return {name: rows[name] for name in sizes}


def split_shuffled(count: int, sizes: Mapping[str, int], *, seed: int) -> dict[str, np.ndarray]:
    """Return the row numbers of each split, drawn from `count` rows: `sizes` adds up to them."""
    order = np.random.default_rng(seed).permutation(count)
    ends = np.cumsum(list(sizes.values()))
    return {name: np.sort(part) for name, part in zip(sizes, np.split(order, ends[:-1]), strict=True)}


def split_groups(groups: Sequence[int], shares: Mapping[str, float], *, seed: int) -> dict[str, np.ndarray]:
    """Return the row numbers of each split, rows of one group all in the same one.

    Args:
        groups: the group of every row, (rows,).
        shares: of all rows, for each split but the first, which takes what is left. A split ends with the group that
            fills it.
        seed: of the order in which groups are dealt out.
    """
    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    order = np.random.default_rng(seed).permutation(sorted(members))
    first, *others = shares
    rows: dict[str, list[int]] = {name: [] for name in shares}
    waiting = iter(order.tolist())
    for name in others:
        while len(rows[name]) < shares[name] * len(groups):
            rows[name].extend(members[next(waiting)])
    for group in waiting:
        rows[first].extend(members[group])
    return {name: np.sort(np.array(part)) for name, part in rows.items()}
