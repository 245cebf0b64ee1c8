"""Stops and resumes one experiment in several ways in one process; prints what went wrong as JSON.

python -m tests.training.resume.stops FOLDER
"""

import contextlib
import gc
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import training
from tests.training.resume.experiments import make_config, make_data
from tests.training.resume.outcome import only_run, outcome
from training.callbacks import Callback, EpochEnd

EXPERIMENT = "averaged mlp"


def train(runs: Path, *callbacks: Callback, stop_after: int = 0) -> None:
    """Train, and where asked ask for a stop after so many calls."""
    calls = 0

    def should_stop() -> bool:
        nonlocal calls
        calls += 1
        return calls == stop_after

    with contextlib.suppress(training.TrainingInterrupted):
        training.train(
            make_config(EXPERIMENT),
            data=make_data(EXPERIMENT),
            runs=runs,
            callbacks=callbacks,
            should_stop=should_stop,
            resume=True,
        )


class BlockCheckpoints(Callback):
    """Puts a file where the folder of checkpoints is to be, so that none can be written from the second epoch on."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        folder = only_run(self._runs).folder / "checkpoints"
        if folder.is_dir():
            folder.rename(folder.with_name("moved"))
            folder.write_text("in the way")


def damage(runs: Path, change: Callable[[bytes], bytes]) -> None:
    newest = max((only_run(runs).folder / "checkpoints").iterdir())
    newest.write_bytes(change(newest.read_bytes()))


def flipped(whole: bytes) -> bytes:
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]


def main(folder: str) -> None:
    gc.freeze()  # what is imported stays
    place, warnings = Path(folder), list[str]()
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("training").addHandler(handler)
    found: dict[str, Any] = {}

    def told() -> list[str]:
        said, warnings[:] = list(warnings), []
        return said

    def compare(name: str) -> None:
        of_run = outcome(only_run(place / name))
        different = [key for key in whole if of_run[key] != whole[key]]
        found[name] = {"different": different, "warnings": told(), "steps": steps}

    train(place / "whole")
    whole, steps = outcome(only_run(place / "whole")), 0
    train(place / "again")
    compare("again")
    for calls in (1, 2, 12):  # 2 and 12 end an epoch; where files are damaged, it is 5
        name = f"stopped {calls}"
        train(place / name, stop_after=calls)
        steps = int(max((only_run(place / name).folder / "checkpoints").iterdir()).stem.removeprefix("step-"))
        train(place / name)
        compare(name)
    for name, change in (("flipped", flipped), ("truncated", lambda whole: whole[:100])):
        train(place / name, stop_after=5)
        damage(place / name, change)
        train(place / name)
        compare(name)
    train(place / "blocked", BlockCheckpoints(place / "blocked"))
    run = only_run(place / "blocked")
    last = only_run(place / "whole").history[-1]["metrics"]
    found["blocked"] = {"same": run.history[-1]["metrics"] == last, "status": run.status, "warnings": told()}
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # TensorFlow's threads may outlive what they use: a process that ended as others do was killed by that


if __name__ == "__main__":
    main(sys.argv[1])
