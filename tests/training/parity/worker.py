"""Trains cases on one strategy and writes what came of them; started by a test, once per process of a strategy.

python -m tests.training.parity.worker STRATEGY CASES.json FOLDER
"""

import gc
import json
import sys
from pathlib import Path

import keras
import numpy as np

import training
from tests.training.parity.cases import make_data, plain_config
from tests.training.parity.covering import Case
from training.checkpoint import read_checkpoints


def train(case: Case, strategy: str, runs: Path) -> dict[str, np.ndarray]:
    """Train a case. Returns all variables of the best weights and of the last state, and the metrics of all epochs, by name.

    Nothing on workers that are not the chief.
    """
    config = training.TrainConfig.parse({**plain_config(case), "strategy": strategy})
    run = training.train(config, runs=runs, data=make_data(case))
    if not run.history:
        return {}
    found = {f"weight {v.path}": v.numpy() for v in run.model().variables}
    first, *_, last = read_checkpoints(run.folder / "checkpoints")
    found |= {f"state {name}": array for name, array in last.items()}
    found["moved"] = np.max([np.max(np.abs(last[name] * 1.0 - first[name])) for name in last if "model" in name])
    for epoch in run.history:
        for split, metrics in epoch["metrics"].items():
            found |= {f"metric {name} of {split} {epoch['epoch']}": np.array(x) for name, x in metrics.items()}
    return found


def main(strategy: str, cases: str, folder: str) -> None:
    gc.freeze()  # what is imported stays; without this every case looks through it several times
    for number, case in enumerate(json.loads(Path(cases).read_text())):
        found = train(case, strategy, Path(folder) / "runs")
        keras.backend.clear_session()
        if found:
            np.savez(Path(folder) / f"{number}.npz", **{name.replace("/", "|"): x for name, x in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
