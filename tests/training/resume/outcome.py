"""What has to be the same, bit for bit, however often a run was interrupted."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from training import Run
from training.checkpoint import read_checkpoints

_TIMES = {"seconds", "examples_per_second", "step_seconds", "timing", "diagnosis", "warnings"}
"""What tells of the clock, and what there was time for."""


def outcome(run: Run) -> dict[str, Any]:
    """Return the whole state at the end, the best weights, the history and the metrics of a run."""
    newest = max((run.folder / "checkpoints").iterdir())
    with np.load(newest) as file:
        position = json.loads(str(file["position"]))
    return {
        "state": {name: array.tobytes().hex() for name, array in read_checkpoints(newest.parent)[-1].items()},
        "position": {name: value for name, value in position.items() if name != "seconds"},
        "best weights": [variable.numpy().tobytes().hex() for variable in run.model().weights],
        "history": [{key: epoch[key] for key in epoch.keys() - _TIMES} for epoch in run.history],
        "metrics": {split: dict(metrics) for split, metrics in run.metrics.items()},
        "best epoch": run.best_epoch,
    }


def only_run(runs: Path) -> Run:
    """Return the one run below a folder of runs."""
    [folder] = [config.parent for config in runs.glob("*/*/config.yaml")]
    return Run.load(folder)
