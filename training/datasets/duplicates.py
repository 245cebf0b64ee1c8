"""Texts that are nearly the same."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

RUN = 6
"""Texts with so many words in a row in common are nearly the same."""
OVERLAP = 0.6
"""Texts with this share of their words in common (Jaccard's index of the sets) are nearly the same."""
_BLOCK = 1000


def find_groups(texts: Sequence[str]) -> list[int]:
    """Return the group of every text: texts that are nearly the same, at one or more removes, have the same number.

    A group's number is the row of its first text. Case and punctuation make no difference.
    """
    words = [tuple(re.findall(r"[a-z0-9]+", text.lower())) for text in texts]
    groups = _Groups(len(texts))
    seen: dict[tuple[str, ...], int] = {}
    for row, each in enumerate(words):
        runs = [each[start : start + RUN] for start in range(len(each) - RUN + 1)] or [each]
        for run in runs:
            groups.join(seen.setdefault(run, row), row)
    for first, second in _overlapping(words):
        groups.join(first, second)
    return [groups.of(row) for row in range(len(texts))]


def _overlapping(words: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, int]]:
    """Give every two texts whose sets of words overlap."""
    from sklearn.feature_extraction.text import CountVectorizer

    table = CountVectorizer(analyzer=lambda each: each, binary=True, dtype=np.int32).fit_transform(words)
    sizes = np.asarray(table.sum(axis=1)).ravel()
    for start in range(0, len(words), _BLOCK):
        common = (table[start : start + _BLOCK] @ table.T).tocoo()
        first, second = common.row + start, common.col
        index = common.data / (sizes[first] + sizes[second] - common.data)
        near = (index >= OVERLAP) & (first < second)
        yield from zip(first[near].tolist(), second[near].tolist(), strict=True)


class _Groups:
    """Disjoint sets of rows, each known by its first (Galler and Fischer, 1964)."""

    def __init__(self, rows: int) -> None:
        self._parents = list(range(rows))

    def of(self, row: int) -> int:
        """Return the first row of the set of a row."""
        while self._parents[row] != row:
            self._parents[row] = row = self._parents[self._parents[row]]
        return row

    def join(self, first: int, second: int) -> None:
        """Make one set of the sets of two rows."""
        low, high = sorted((self.of(first), self.of(second)))
        self._parents[high] = low
