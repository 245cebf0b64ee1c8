"""Trains cases on one strategy and writes what came of them; started by a test, once per process of a strategy.

python -m tests.training.parity.worker STRATEGY CASES.json FOLDER
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

import training
from tests.training.parity.cases import make_data, plain_config
from tests.training.parity.covering import Case


def train(case: Case, strategy: str, runs: Path) -> dict[str, np.ndarray]:
    """Train a case. Returns every variable of the best weights, and every metric of every epoch, by name."""
    config = training.TrainConfig.parse({**plain_config(case), "strategy": strategy})
    run = training.train(config, runs=runs, data=make_data(case))
    found = {f"weight {v.path}": v.numpy() for v in run.model().variables}
    for epoch in run.history:
        for split, metrics in epoch["metrics"].items():
            found |= {f"metric {name} of {split} {epoch['epoch']}": np.array(x) for name, x in metrics.items()}
    return found


def main(strategy: str, cases: str, folder: str) -> None:
    for number, case in enumerate(json.loads(Path(cases).read_text())):
        found = train(case, strategy, Path(folder) / "runs")
        keras.backend.clear_session()
        if "metric loss of train 1" in found:  # the chief
            np.savez(Path(folder) / f"{number}.npz", **{name.replace("/", "|"): x for name, x in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
