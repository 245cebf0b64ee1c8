"""Trains one experiment, going on with a run that is not finished, and dies by SIGKILL where asked to.

python -m tests.training.resume.worker EXPERIMENT RUNS [MOMENT NUMBER]
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import training
from tests.training.resume.experiments import make_config, make_data
from training.callbacks import Call, Callback, EpochEnd
from training.loop import Loop


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Tells(Callback):
    """Says every step, and may die between an epoch's line in the log and its checkpoint."""

    def __init__(self, die_after_epoch: int) -> None:
        self._die_after_epoch = die_after_epoch

    def on_call(self, call: Call) -> None:
        sys.stdout.write(f"step {call.epoch} {call.step}\n")
        sys.stdout.flush()

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        if epoch.epoch == self._die_after_epoch:
            die()


def at_call(number: int, original: Callable[..., Any], instead: Callable[..., None]) -> Callable[..., Any]:
    """Return a function that does what another does, but for one call."""
    calls = 0

    def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            instead(*arguments, **options)
        return original(*arguments, **options)

    return wrapped


def die_in(moment: str, number: int) -> None:
    """Arrange to die at the n-th of some moments."""
    savez, save_weights, evaluate = np.savez, keras.Model.save_weights, Loop.evaluate

    def half_a_checkpoint(file: Any, **arrays: Any) -> None:
        whole = io.BytesIO()
        savez(whole, **arrays)
        file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        file.flush()
        die()

    def half_the_weights(model: Any, path: Path) -> None:
        save_weights(model, path)
        os.truncate(path, path.stat().st_size // 2)
        die()

    def evaluated(*arguments: Any, **options: Any) -> None:
        evaluate(*arguments, **options)  # where weights are averaged, the average is in their place now
        die()

    if moment == "checkpoint":
        np.savez = at_call(number, savez, half_a_checkpoint)
    if moment == "best":
        keras.Model.save_weights = at_call(number, save_weights, half_the_weights)
    if moment == "evaluation":
        Loop.evaluate = at_call(number, evaluate, evaluated)  # type: ignore[method-assign]


def main(experiment: str, runs: str, moment: str = "", number: str = "0") -> None:
    die_in(moment, int(number))
    tells = Tells(int(number) if moment == "log" else 0)
    training.train(make_config(experiment), data=make_data(experiment), runs=runs, callbacks=[tells], resume=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
