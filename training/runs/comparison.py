"""What is different between runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.metric_order import lower_is_better
from training.runs.catalogue import metric_paths
from training.runs.entry import RunEntry

ABSENT = "-"


def differing_fields(entries: Sequence[RunEntry]) -> dict[str, list[str]]:
    """Return, by path such as `model.units`, the values of the fields that are not the same in all runs."""
    flat = [flatten(entry.config) for entry in entries]
    paths = list(dict.fromkeys(path for fields in flat for path in fields))
    rows = {path: [fields.get(path, ABSENT) for fields in flat] for path in paths}
    return {path: values for path, values in rows.items() if len(set(values)) > 1}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return every field of a config by its path, as text; lists count as one value."""
    fields: dict[str, str] = {}
    for key, value in config.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            fields |= flatten(value, path + ".")
        else:
            fields[path] = "null" if value is None else str(value)
    return fields


def compare_metrics(entries: Sequence[RunEntry]) -> dict[str, list[float]]:
    """Return, by `<split>.<metric>`, what every run measured; NaN where it did not."""
    return {path: [entry.metric(path) for entry in entries] for path in metric_paths(entries)}


def best_of(path: str, values: Sequence[float]) -> int | None:
    """Return which of the values of a metric is best; None where none is a number, or all are equal."""
    known = [value for value in values if value == value]  # noqa: PLR0124 - NaN differs from itself
    if len(set(known)) < 2:
        return None
    best = min(known) if lower_is_better(path.partition(".")[2]) else max(known)
    return values.index(best)
