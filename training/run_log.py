"""The folder of a run, read without TensorFlow: its files, its log, and where the newest run is."""

import json
import math
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, UnknownNameError, did_you_mean

CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
BEST_WEIGHTS = "best.weights.h5"
CHECKPOINTS = "checkpoints"


def newest(path: Path) -> Path:
    """Return the folder of a run: this one, or the newest in the folder of a recipe's runs.

    Raises:
        UnknownNameError: there is none.
    """
    if (path / CONFIG).is_file():
        return path
    found = sorted(path.glob(f"*/{CONFIG}"))
    if found:
        return found[-1].parent
    inner = sorted({config.parent.parent for config in path.glob(f"*/*/{CONFIG}")})
    if inner:
        raise UnknownNameError(f"{path} holds the runs of several recipes: name one, such as {inner[0]}")
    siblings = sorted({config.parent.name for config in path.parent.glob(f"*/{CONFIG}")})
    siblings += sorted({config.parent.parent.name for config in path.parent.glob(f"*/*/{CONFIG}")})
    raise UnknownNameError(f"there is no run in {path} (a run has a {CONFIG}); {did_you_mean(path.name, siblings)}")


def read_log(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any], tuple[str, ...]]:
    """Return epochs, end (empty where there is none yet) and warnings of a `metrics.jsonl`.

    Raises:
        ConfigError: it is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        records = [_as_written(json.loads(line)) for line in lines if line.endswith("\n") or _is_json(line)]
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
    epochs = [{k: v for k, v in record.items() if k != "event"} for record in records if record["event"] == "epoch"]
    ends = [record for record in records if record["event"] == "end"]
    warnings = [text for record in records for text in (record.get("warnings") or [record.get("text")]) if text]
    return epochs, ends[-1] if ends else {}, tuple(warnings)


def log_export(path: Path, artifact: Path) -> None:
    """Note in a `metrics.jsonl` that a run was exported after its end; nothing where it has no end, or an export already.

    A run that failed although its best weights were measured lacked only that: it is then finished.
    """
    _, end, _ = read_log(path)
    if not end or end.get("artifact"):
        return
    status = "finished" if end.get("status") == "failed" and end.get("metrics") else end.get("status")
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**end, "status": status, "artifact": str(artifact)}) + "\n")


def _is_json(line: str) -> bool:
    """Tell whether a last line without an end is whole: a killed process may leave the beginning of one."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _as_written(record: Any) -> dict[str, Any]:
    """Return a record with the metrics that JSON has as null, because they were not finite, as NaN."""
    if not isinstance(record, dict) or "event" not in record:
        raise ValueError(f"expected an object with an event, got {record!r:.60}")
    metrics = {
        split: {name: math.nan if value is None else value for name, value in measured.items()}
        for split, measured in record.get("metrics", {}).items()
    }
    return {**record, "metrics": metrics} if "metrics" in record else record
