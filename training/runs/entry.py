"""A run as a line of a list; read without TensorFlow, and also where its config is of another version."""

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.run_log import CONFIG, METRICS, read_log
from zoo.errors import ConfigError
from zoo.yaml_text import parse_yaml

DAMAGED = "damaged"


@dataclass(frozen=True)
class RunEntry:
    """What a run's folder says of it."""

    folder: Path
    recipe: str
    status: str
    """As of `Run`, or `damaged`."""
    started: datetime.datetime | None = None
    """UTC; None where the folder has another name than runs give it."""
    epochs: int = 0
    """Finished ones."""
    planned: int | None = None
    best_epoch: int | None = None
    seconds: float | None = None
    monitor: str = "loss"
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By split, of the best weights; while a run has no end, validation at the best epoch so far."""
    config: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    fault: str = ""
    """What is damaged."""

    def metric(self, path: str) -> float:
        """Return a metric by `<split>.<name>`; NaN where it was not measured."""
        split, _, name = path.partition(".")
        return float(self.metrics.get(split, {}).get(name, math.nan))


def read_entry(folder: Path) -> RunEntry:
    """Read a run's folder; one that cannot be read is an entry that says why."""
    started = _started(folder)
    try:
        config = parse_yaml((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, Mapping):
            raise ConfigError(f"{CONFIG} holds no mapping")
        history, end, _ = read_log(folder / METRICS)
        loop = config.get("train") or {}
        monitor, planned = str(loop.get("monitor", "loss")), int(loop.get("epochs", 10))
        best = end.get("best_epoch") or _best_so_far(history)
        return RunEntry(
            folder,
            str(config.get("name", folder.parent.name)),
            str(end.get("status", "unfinished")),
            started,
            epochs=len(history),
            planned=planned,
            best_epoch=best,
            seconds=end.get("seconds"),
            monitor=monitor,
            metrics=end.get("metrics") or _validation_at(history, best),
            config=config,
            history=tuple(history),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:  # a ConfigError is a ValueError
        return RunEntry(folder, folder.parent.name, DAMAGED, started, fault=str(error).partition("\n")[0])


def _started(folder: Path) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(folder.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None


def _best_so_far(history: list[dict[str, Any]]) -> int | None:
    return next((record["epoch"] for record in reversed(history) if record["best"]), None)


def _validation_at(history: list[dict[str, Any]], epoch: int | None) -> Mapping[str, Mapping[str, float]]:
    found = [record["metrics"]["validation"] for record in history if record["epoch"] == epoch]
    return {"validation": found[0]} if found else {}
