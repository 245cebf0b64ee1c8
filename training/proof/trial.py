"""One short training and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from training.callbacks import Call, Callback
from training.config import TrainConfig
from training.data import Dataset

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Trial:
    """What came of one training. Arrays by name; names are the same for every strategy."""

    losses: Arrays
    """The mean loss of the epoch so far, after every return from TensorFlow."""
    metrics: Arrays
    """Of every epoch and split."""
    weights: Arrays
    """Every variable of the model, as it was in the end."""
    moved: Arrays
    """How far every number of them went since before the first step."""
    others: Arrays = field(default_factory=dict)
    """The rest of the state: the optimizer's, averaged weights, the scale of the loss."""

    def save(self, path: Path) -> None:
        """Write it to a file that `load` reads."""
        parts: dict[str, Arrays] = {
            "losses": self.losses,
            "metrics": self.metrics,
            "weights": self.weights,
            "moved": self.moved,
            "others": self.others,
        }
        numbered = {
            f"{part} {number} {name}".replace("/", "\\"): array
            for part, arrays in parts.items()
            for number, (name, array) in enumerate(arrays.items())
        }
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **numbered)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        parts: dict[str, dict[str, np.ndarray]] = {n: {} for n in ("losses", "metrics", "weights", "moved", "others")}
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            for key in arrays.files:
                part, _, name = key.replace("\\", "/").split(" ", 2)
                parts[part][name] = arrays[key]
        return cls(**parts)


class _Losses(Callback):
    def __init__(self) -> None:
        self.found: dict[str, np.ndarray] = {}

    def on_call(self, call: Call) -> None:
        self.found[f"epoch {call.epoch}, step {call.step}"] = np.array(call.metrics["loss"])


def run_trial(config: TrainConfig, data: Dataset, runs: Path) -> Trial | None:
    """Train, and return what came of it; None on a worker that is not the chief."""
    from training.checkpoint import read_checkpoints
    from training.experiment import train
    from training.run_log import CHECKPOINTS

    losses = _Losses()
    run = train(config, callbacks=[losses], runs=runs, data=data)
    if not run.history:
        return None
    metrics = {
        f"{split} {name}, epoch {epoch['epoch']}": np.array(value)
        for epoch in run.history
        for split, measured in epoch["metrics"].items()
        for name, value in measured.items()
    }
    states = read_checkpoints(run.folder / CHECKPOINTS)
    first, last = states[0], states[-1]
    names = {f"model/{number:04d}": variable.path for number, variable in enumerate(run.model().variables)}
    weights = {names[key]: array for key, array in last.items() if key in names}
    moved = {name: np.abs(last[key].astype(np.float64) - first[key]) for key, name in names.items()}
    return Trial(losses.found, metrics, weights, moved, {key: last[key] for key in last if key not in names})
