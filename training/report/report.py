"""Writing down what became of a run, for people: `report.html` and `report.png` in its folder."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.data import Dataset, load_data
from training.facts import read_facts
from training.report.markup import Markup
from training.report.overview import overview
from training.report.page import page
from training.run import Run
from training.run_log import BEST_WEIGHTS
from zoo.errors import ConfigError, ZooError

if TYPE_CHECKING:
    from training.report.sections import Draw

REPORT = "report.html"
PICTURE = "report.png"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """Where a run's report lies."""

    page: Path
    picture: Path
    notes: tuple[str, ...] = ()
    """What it does not show, and why."""


def write_report(run: Run | str | Path, *, data: Dataset | None = None) -> Report:
    """Write a run's report into its folder, in place of one that is there.

    What the model says is shown for the validation split, and for the test split where the run measured it. Where data or
    weights are missing, the report says so and shows the rest.

    Example:
        >>> import training
        >>> training.write_report("runs/digits_cnn").page  # doctest: +SKIP
        PosixPath('runs/digits_cnn/20260101T120000Z-1a2b3c4d/report.html')

    Args:
        run: a run, its folder, or the folder of a recipe's runs for the newest one.
        data: the data set, where the run was trained on one given in Python.

    Raises:
        UnknownNameError: there is no such run.
        ConfigError: what lies there cannot be read; or the run ended before its first epoch: nothing is to tell.
    """
    run = run if isinstance(run, Run) else Run.load(run)
    if not run.history and not run.best_weights.exists():
        raise ConfigError(
            f"{run.folder} has no finished epoch and no {BEST_WEIGHTS} ({run.status}): there is nothing to report; train on "
            f"with `zoo train --resume {run.folder}`"
        )
    heads: Sequence[tuple[str, Mapping[str, Markup]]] = ()
    drawings: list[Draw] = []
    notes: list[str] = []
    try:
        heads, drawings = _heads(run, data)
    except Exception as error:  # noqa: BLE001 - what can be told without the data is told
        notes.append(f"There are no predictions in this report: {_reason(error)}")
    text = page(run, facts=read_facts(run.folder), heads=heads, notes=notes)
    picture = overview(run, drawings)
    _write(run.folder / REPORT, text.encode("utf-8", "replace"))
    _write(run.folder / PICTURE, picture)
    return Report(run.folder / REPORT, run.folder / PICTURE, tuple(notes))


def try_to_report(run: Run, data: Dataset | None = None) -> Report | None:
    """Write a run's report; where that fails, log the reason: a run is not worth less for it."""
    try:
        report = write_report(run, data=data)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run is done
        _log.warning("the report could not be written: %s", _reason(error))
        return None
    for note in report.notes:
        _log.warning("%s", note)
    return report


def _heads(run: Run, data: Dataset | None) -> tuple[list[tuple[str, Mapping[str, Markup]]], list["Draw"]]:
    from training.report.predictions import predict
    from training.report.sections import class_labels, head_section, main_drawing
    from training.reproducibility import dtype_policy

    if not run.best_weights.exists():
        raise ConfigError(f"{run.folder} has no {BEST_WEIGHTS}; what was logged of the run is shown")
    data = data or load_data(run.config.data)
    with dtype_policy(run.config.train.precision):
        model = run.model()
    splits = [
        split for split in ("validation", "test") if split in data.splits and split in {"validation", *run.metrics}
    ]
    sections: dict[str, dict[str, Markup]] = {}
    drawings: dict[str, Draw] = {}
    for split in splits:
        rows = data.split(split)
        for head, found in predict(model, run.config, rows).items():
            names = class_labels(found, data.class_names)
            sections.setdefault(head, {})[split] = head_section(found, rows, names=names)
            if len(found.losses):
                drawings[head] = main_drawing(found, names, of=f", {split}{head and f' ({head})'}")
    return list(sections.items()), list(drawings.values())


def _write(path: Path, content: bytes) -> None:
    staging = path.with_name("." + path.name)
    staging.write_bytes(content)
    staging.replace(path)


def _reason(error: Exception) -> str:
    if isinstance(error, ZooError):
        return str(error).partition("\n")[0]
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
