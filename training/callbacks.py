"""What may watch a run: its moments, and the log of JSON lines that every run has."""

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.diagnosis import Diagnosis
from training.run_log import METRICS

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Start:
    """A run is about to train."""

    name: str
    folder: Path
    epochs: int
    steps_per_epoch: int
    notes: tuple[str, ...] = ()
    """What a person wants to know first: data, model, batch arithmetic; a line each."""
    first_step: int = 0
    """Steps taken already, by a run that goes on."""
    unit: str = "examples"
    """What rows are called."""
    patience: int | None = None
    """Epochs without an improvement after which training stops."""
    warnings: tuple[str, ...] = ()
    """What looks wrong before the first step, in plain language."""


@dataclass(frozen=True)
class Call:
    """Some steps were taken."""

    epoch: int
    """Counted from 1."""
    step: int
    """Steps taken in this epoch."""
    metrics: Metrics
    """Means over the epoch so far."""
    examples_per_second: float


@dataclass(frozen=True)
class Rollback:
    """The loss blew up, and the run went back to a checkpoint."""

    epoch: int
    loss: float
    step: int
    """Steps taken since the beginning of the run, at the checkpoint."""
    learning_rate: float
    """From now on."""
    former_rate: float
    attempt: int
    """Counted from 1."""
    tries: int

    def __str__(self) -> str:
        """Say what happened."""
        return (
            f"the loss of epoch {self.epoch} is {self.loss:g}: back to step {self.step}, learning rate "
            f"{self.learning_rate:g} in place of {self.former_rate:g} (try {self.attempt} of {self.tries})"
        )


@dataclass(frozen=True)
class EpochEnd:
    """An epoch was trained and the validation split evaluated."""

    epoch: int
    step: int
    """Steps taken since the beginning of the run."""
    seconds: float
    """Of training, without evaluation."""
    examples_per_second: float
    learning_rate: float
    metrics: Mapping[str, Metrics]
    """By split: `train` (means while the weights changed) and `validation`."""
    best: bool
    """Whether no epoch before was better."""
    step_seconds: float = 0.0
    """Of a step, on average."""
    timing: Mapping[str, float] = field(default_factory=dict)
    """Seconds of the epoch by what they went into: `train`, `evaluate`, `save`, `diagnose`."""
    stale_epochs: int = 0
    """Epochs in a row without an improvement, where early stopping counts them."""
    diagnosis: Diagnosis | None = None
    """Of the weights after the epoch; not every epoch has one."""
    warnings: tuple[str, ...] = ()
    """What looks wrong and was not told of before, in plain language."""


@dataclass(frozen=True)
class End:
    """A run is over."""

    status: str
    """`finished`, `interrupted`, or `failed` where an error ended it."""
    epochs: int
    best_epoch: int | None
    seconds: float
    metrics: Mapping[str, Metrics] = field(default_factory=dict)
    """By split, of the best weights."""
    artifact: Path | None = None
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """95 %, of what is finite in the metrics."""


class Callback:
    """Watches a run. Override the moments that matter; each is called in the thread that trains."""

    def on_start(self, start: Start) -> None:
        """Before the first step."""

    def on_call(self, call: Call) -> None:
        """After every return from TensorFlow: `train.steps_per_call` steps."""

    def on_rollback(self, rollback: Rollback) -> None:
        """After the run went back to a checkpoint."""

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        """After every epoch."""

    def on_end(self, end: End) -> None:
        """When all is done, also after an interruption."""


def tell(watchers: Sequence[Callback], moment: Start | Call | Rollback | EpochEnd | End) -> None:
    """Let everybody who watches know of a moment."""
    for watcher in watchers:
        match moment:
            case Start():
                watcher.on_start(moment)
            case Call():
                watcher.on_call(moment)
            case Rollback():
                watcher.on_rollback(moment)
            case EpochEnd():
                watcher.on_epoch_end(moment)
            case End():
                watcher.on_end(moment)


class JsonLog(Callback):
    """Writes `metrics.jsonl`: one object per epoch, and one for the end. Numbers that are not finite become null."""

    def __init__(self, folder: Path, *, after_step: int = 0) -> None:
        """Write into a run's folder, after the epochs up to a step that are there already; what came later is removed."""
        self._path = folder / METRICS
        if self._path.exists():
            self._keep(after_step)

    def _keep(self, after_step: int) -> None:
        """Cut off what a run wrote after the checkpoint from which it goes on."""
        kept = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # the last line of a killed process
                record = json.loads(line)
                if record["event"] != "end" and record["step"] <= after_step:
                    kept.append(line + "\n")
        staging = self._path.with_name("." + self._path.name)
        staging.write_text("".join(kept), encoding="utf-8")
        staging.replace(self._path)

    def on_start(self, start: Start) -> None:
        """Append what looks wrong from the beginning."""
        for text in start.warnings:
            self._append({"event": "warning", "step": start.first_step, "text": text})

    def on_rollback(self, rollback: Rollback) -> None:
        """Append that it happened."""
        self._append({"event": "rollback", **vars(rollback), "text": str(rollback)})

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        """Append the epoch."""
        self._append({"event": "epoch", **asdict(epoch)})

    def on_end(self, end: End) -> None:
        """Append the end."""
        self._append({"event": "end", **vars(end), "artifact": str(end.artifact) if end.artifact else None})

    def _append(self, record: Mapping[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_finite(record), allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
