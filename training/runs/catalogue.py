"""Finding runs, and putting them in order."""

import math
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from training.metric_order import lower_is_better
from training.run_log import CONFIG
from training.runs.entry import RunEntry, read_entry
from zoo.errors import UnknownNameError, did_you_mean

KEYS: dict[str, Callable[[RunEntry], Any]] = {
    "started": lambda entry: entry.started.timestamp() if entry.started else math.nan,
    "recipe": lambda entry: entry.recipe,
    "status": lambda entry: entry.status,
    "epochs": lambda entry: entry.epochs,
    "seconds": lambda entry: math.nan if entry.seconds is None else entry.seconds,
}
"""What runs can be sorted by, besides `<split>.<metric>`."""
_NEWEST_FIRST = ("started",)


def find_runs(folder: str | Path, *, recipe: str = "*") -> list[RunEntry]:
    """Return every run below a folder, damaged ones too.

    Args:
        folder: where runs are kept, or of one recipe's runs.
        recipe: only of recipes whose name matches, such as `digits*`.

    Raises:
        UnknownNameError: there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UnknownNameError(
            f"there is no folder {root}: runs are kept where `zoo train --runs` said, else in ./runs"
        )
    configs = {config.parent for depth in ("*", "*/*") for config in root.glob(f"{depth}/{CONFIG}")}
    logs = {log.parent for depth in ("*", "*/*") for log in root.glob(f"{depth}/metrics.jsonl")}
    entries = (read_entry(path) for path in sorted(configs | logs))
    return [entry for entry in entries if fnmatchcase(entry.recipe, recipe)]


def in_order(entries: Iterable[RunEntry], key: str, *, backwards: bool = False) -> list[RunEntry]:
    """Return runs sorted: the newest, the best, or the smallest first; those that have no such number last.

    Args:
        entries: the runs.
        key: one of `KEYS`, or `<split>.<metric>`.
        backwards: the other way round.

    Raises:
        UnknownNameError: no run has such a number.
    """
    entries = list(entries)
    if key in KEYS:
        return _sorted(entries, KEYS[key], largest_first=(key in _NEWEST_FIRST) != backwards)
    names = metric_paths(entries)
    if entries and key not in names:
        raise UnknownNameError(f"runs cannot be sorted by {key!r}; {did_you_mean(key, [*KEYS, *names])}")
    best_last = not lower_is_better(key.partition(".")[2])
    return _sorted(entries, lambda entry: entry.metric(key), largest_first=best_last != backwards)


def metric_paths(entries: Sequence[RunEntry]) -> list[str]:
    """Return `<split>.<metric>` for everything that any of the runs measured."""
    return list(dict.fromkeys(f"{split}.{name}" for e in entries for split, m in e.metrics.items() for name in m))


def _sorted(entries: list[RunEntry], key: Callable[[RunEntry], Any], *, largest_first: bool) -> list[RunEntry]:
    known = [entry for entry in entries if key(entry) == key(entry)]
    unknown = [entry for entry in entries if key(entry) != key(entry)]
    return sorted(known, key=key, reverse=largest_first) + unknown
