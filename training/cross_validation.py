"""K-fold cross-validation: how good a recipe is on small data, and how sure of it one can be.

runs/<name>-folds/<UTC time>-<first 8 hex digits of the config's hash>/
    recipe.yaml     the recipe as it was run, every default written out
    folds.json      what every fold measured, and mean and standard error
    folds.txt       the same as a table
    fold_1.jsonl    the log of the first fold's run, as in `training.run`; and so on
"""

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.config import TrainConfig
from training.data import Dataset, load_data
from training.experiment import train
from training.folds import Folds
from training.run import make_folder
from training.run_log import METRICS
from zoo.errors import ConfigError

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class CrossValidation:
    """What the folds measured, each on the rows that it held out."""

    name: str
    data: str
    rows: int
    """Of all folds together."""
    scores: tuple[Metrics, ...]
    """By fold: the loss and every metric, of the epoch that was best on a validation part inside the fold."""
    best_epochs: tuple[int | None, ...]
    folder: Path

    def means(self) -> dict[str, float]:
        """Return the mean of every metric over the folds, each fold counting alike."""
        return {name: math.fsum(score[name] for score in self.scores) / len(self.scores) for name in self.scores[0]}

    def errors(self) -> dict[str, float]:
        """Return the standard error of every mean: the folds' standard deviation (over K - 1) / sqrt(K).

        Folds share most of their training rows, so the true uncertainty is somewhat larger (Bengio and Grandvalet, 2004).
        """
        count, means = len(self.scores), self.means()
        squares = {n: math.fsum((score[n] - mean) ** 2 for score in self.scores) for n, mean in means.items()}
        return {name: math.sqrt(square / (count - 1) / count) for name, square in squares.items()}

    def table(self) -> str:
        """Return a table of text: a line per metric."""
        means, errors = self.means(), self.errors()
        head = ["metric", "mean", "std. error", *(f"fold {number}" for number in range(1, len(self.scores) + 1))]
        rows = [
            [name, *(f"{value:.4f}" for value in (mean, errors[name], *(score[name] for score in self.scores)))]
            for name, mean in means.items()
        ]
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
        return "\n".join(
            f"{row[0]:<{widths[0]}}  " + "  ".join(f"{cell:>{w}}" for cell, w in zip(row[1:], widths[1:], strict=True))
            for row in [head, *rows]
        )

    def save(self) -> None:
        """Write folds.json and folds.txt."""
        facts = {
            "name": self.name,
            "data": self.data,
            "rows": self.rows,
            "mean": self.means(),
            "standard_error": self.errors(),
            "folds": [
                {"best_epoch": epoch, "metrics": dict(score)}
                for epoch, score in zip(self.best_epochs, self.scores, strict=True)
            ],
        }
        (self.folder / "folds.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        (self.folder / "folds.txt").write_text(self.table() + "\n", encoding="utf-8")


def cross_validate(
    config: TrainConfig,
    count: int,
    *,
    runs: str | Path = "runs",
    data: Dataset | None = None,
    tell: Callable[[int, Metrics], None] | None = None,
) -> CrossValidation:
    """Train a recipe once per fold, and measure each on the rows that its fold held out.

    All rows of all splits take part. Every fold starts anew: statistics of the preprocessing come from its training rows
    alone, and a validation part inside it chooses the best epoch. Nothing is exported: no fold's model has seen all rows.

    Example:
        >>> import training
        >>> training.cross_validate(training.load_recipe("wine_mlp"), 5).means()["accuracy"]  # doctest: +SKIP
        0.98

    Args:
        config: the experiment.
        count: how many folds.
        runs: the folder below which the result is kept.
        data: rows, in place of the data set that the config names.
        tell: is given every fold's number, from 1, and metrics when it is done.

    Raises:
        ConfigError: as `train`; the folds cannot be cut, or the strategy is not of one device.
    """
    if config.strategy.kind not in {"default", "one_device"}:
        raise ConfigError(
            f"folds are trained one after the other on one device, but strategy is {config.strategy.kind}: leave it out"
        )
    folds = Folds.cut(data or load_data(config.data), count, config)
    config = config.model_copy(update={"export": None})
    scores, epochs, folder = [], [], _folder(config, runs)
    for number, dataset in enumerate(folds.datasets(), 1):
        with tempfile.TemporaryDirectory() as scratch:
            # Its weights go: evaluated later on the data set's own test split, they would look better than they are.
            run = train(config, runs=scratch, data=dataset, report=False)
            shutil.copyfile(run.folder / METRICS, folder / f"fold_{number}.jsonl")
        scores.append(dict(run.metrics["test"]))
        epochs.append(run.best_epoch)
        if tell is not None:
            tell(number, scores[-1])
    found = CrossValidation(config.name, folds.data.name, len(folds.rows), tuple(scores), tuple(epochs), folder)
    found.save()
    return found


def _folder(config: TrainConfig, runs: str | Path) -> Path:
    """Make a folder that `Run.load` does not take for that of a run."""
    folder = make_folder(config.model_copy(update={"name": f"{config.name}-folds"}), runs)
    (folder / "config.yaml").unlink()
    (folder / "recipe.yaml").write_text(config.to_yaml(), encoding="utf-8")
    return folder
