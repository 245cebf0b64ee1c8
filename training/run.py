"""One execution of a recipe, and the folder that tells of it.

runs/<name>/<UTC time>-<first 8 hex digits of the config's hash>/
    config.yaml       the recipe as it was run, every default written out
    metrics.jsonl     a line per epoch, and one for the end
    tensorboard/      the same as curves
    facts.json        libraries, machine, code and data
    report.html       the run for people, and report.png, its picture
    best.weights.h5   of the best epoch by `train.monitor` on the validation split
    checkpoints/      the whole state at the newest steps, to resume from
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from training.config import TrainConfig
from training.run_log import BEST_WEIGHTS, CONFIG, METRICS, newest, read_log
from zoo.errors import ConfigError
from zoo.yaml_text import read_text

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Run:
    """One execution of a recipe: what was chosen and what came of it."""

    folder: Path
    config: TrainConfig
    history: tuple[Mapping[str, Any], ...] = ()
    """By epoch: `epoch`, `step`, `seconds`, `examples_per_second`, `learning_rate`, `metrics` by split, `best`."""
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By split, of the best weights; NaN where the value was not finite."""
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """By split: the 95 % confidence interval of every metric that is finite."""
    status: str = "unfinished"
    """`finished`, `interrupted`, `failed` (an error ended it), or `unfinished` where the process died or still trains."""
    best_epoch: int | None = None
    seconds: float | None = None
    """From start to end."""
    artifact: Path | None = None
    """The exported version, where the recipe exports."""
    warnings: tuple[str, ...] = ()
    """What looked wrong on the way, in plain language."""

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a run from its folder, or the newest run from the folder of a recipe's runs.

        Raises:
            UnknownNameError: there is no run.
            ConfigError: what lies there cannot be read.
        """
        path = newest(Path(folder))
        config = TrainConfig.from_yaml(read_text(path / CONFIG))
        history, end, warnings = read_log(path / METRICS)
        return cls(
            folder=path,
            config=config,
            history=tuple(history),
            metrics=end.get("metrics", {}),
            intervals=_intervals(end),
            status=end.get("status", "unfinished"),
            best_epoch=end.get("best_epoch"),
            seconds=end.get("seconds"),
            artifact=Path(end["artifact"]) if end.get("artifact") else None,
            warnings=warnings,
        )

    @property
    def best_weights(self) -> Path:
        """Where the weights of the best epoch are."""
        return self.folder / BEST_WEIGHTS

    def model(self) -> "keras.Model":
        """Build the model anew, with the best weights.

        Raises:
            ConfigError: the run has no weights yet, or they are damaged.
        """
        import zoo

        if not self.best_weights.exists():
            raise ConfigError(f"{self.folder} has no {BEST_WEIGHTS}: the run ended before its first epoch")
        model = zoo.build(self.config.model)
        try:
            model.load_weights(self.best_weights)
        except OSError as error:
            raise ConfigError(f"{self.best_weights} is damaged: {error}") from None
        return model


def _intervals(end: Mapping[str, Any]) -> dict[str, dict[str, tuple[float, float]]]:
    found: Mapping[str, Mapping[str, list[float]]] = end.get("intervals") or {}
    return {split: {name: (low, high) for name, (low, high) in by_name.items()} for split, by_name in found.items()}


def make_folder(config: TrainConfig, runs: str | Path) -> Path:
    """Make the folder of a new run and write the config into it.

    Raises:
        ConfigError: nothing can be written there.
    """
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    digits = config.content_hash().removeprefix("sha256:")[:8]
    parent = Path(runs) / config.name
    attempt = 1
    while True:
        folder = parent / (f"{now}-{digits}" if attempt == 1 else f"{now}-{digits}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:  # two runs of one recipe in one second
            attempt += 1
            continue
        except OSError as error:
            raise ConfigError(
                f"cannot make {folder}: {error.strerror}; choose another folder for runs (--runs)"
            ) from None
        staging = folder / f".{CONFIG}"
        staging.write_text(config.to_yaml(), encoding="utf-8")
        staging.replace(folder / CONFIG)  # whole or not there: a folder without it is no run
        return folder


def find_unfinished(config: TrainConfig, runs: str | Path) -> Path | None:
    """Return the folder of the newest run of a config that can be gone on with; None where there is none."""
    for folder in sorted((Path(runs) / config.name).glob(f"*/{CONFIG}"), reverse=True):
        run = Run.load(folder.parent)
        if run.config.content_hash() == config.content_hash() and run.status != "finished":
            return run.folder
    return None
