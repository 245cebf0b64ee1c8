"""Vocabularies: counted, and written down."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def most_frequent(counts: Counter[Any], size: int) -> list[Any]:
    """Return at most so many, the most frequent first, those that occur as often in their own order."""
    return sorted(counts, key=lambda item: (-counts[item], item))[:size]


def texts_of(strings: Iterable[Any]) -> Iterable[str]:
    """Yield bytes as text, without those that are no UTF-8: a vocabulary is text."""
    for item in strings:
        try:
            yield item.decode() if isinstance(item, bytes) else item
        except UnicodeDecodeError:
            continue


def write_vocabularies(vocabularies: Sequence[Sequence[str | int]]) -> np.ndarray:
    """Return an array, uint8, for a weights file, which has no strings."""
    return np.frombuffer(json.dumps([list(vocabulary) for vocabulary in vocabularies]).encode(), np.uint8)


def read_vocabularies(array: np.ndarray) -> list[list[Any]]:
    """Return what was written."""
    return json.loads(array.tobytes())
