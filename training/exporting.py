"""From a run's best weights to an exported version."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

import zoo
from training.checkpoint import BestWeights
from training.config import ExportConfig, TrainConfig
from training.data import Dataset
from training.data.statistics import statistics_of
from training.facts import read_parent
from training.intervals import Interval
from training.reproducibility import dtype_policy
from training.run_log import BEST_WEIGHTS
from training.uncertainty import find_uncertainty
from zoo.errors import ExportError
from zoo.heads import OUTPUT_OF_KIND, output_name

Metrics = Mapping[str, Mapping[str, float]]
Intervals = Mapping[str, Mapping[str, Interval]]


def export_trained(
    config: TrainConfig,
    data: Dataset,
    metrics: Metrics,
    folder: Path,
    *,
    epoch: int | None,
    intervals: Intervals | None = None,
) -> Path | None:
    """Export the best weights of a run that was just trained, where its config says so; None is exported elsewhere.

    For the arguments see `export_best`.

    Raises:
        ExportError: as `export_best`, with what to do about it: the run is as good as before.
    """
    if config.export is None:
        return None
    check_converged(config, metrics, epoch, folder)
    try:
        return export_best(config, config.export, data, metrics, folder, intervals=intervals)
    except ExportError as error:
        raise ExportError(
            f"{error}; the run is trained and kept: once that is mended, `zoo export {folder}` exports it (--to another "
            "repository, --name another name)"
        ) from None


def export_best(
    config: TrainConfig,
    target: ExportConfig,
    data: Dataset,
    metrics: Metrics,
    folder: Path,
    *,
    intervals: Intervals | None = None,
) -> Path:
    """Export the best weights of a run, in a model that knows nothing of the strategy it was trained under.

    Args:
        config: of the run.
        target: where to.
        data: examples and facts for the passport.
        metrics: by split, of the best weights.
        folder: of the run.
        intervals: of the metrics, by split, where they were measured.

    Raises:
        ExportError: `zoo.export` refuses.
    """
    with dtype_policy(config.train.precision):
        model = zoo.build(config.model)
    BestWeights(folder / BEST_WEIGHTS).restore(model)
    facts = zoo.ExportFacts(
        model=config.model,
        recipe=config,
        data=data.facts(),
        metrics=metrics,
        input_ranges=data.input_ranges(),
        parent=read_parent(folder),
        intervals=intervals or {},
        measure=target.measure,
        statistics=statistics_of(data.split("train")),
        uncertainty=find_uncertainty(config, model, data, target.coverage) if target.coverage is not None else {},
    )
    examples = data.split("test" if "test" in data.splits else "validation").inputs
    return zoo.export(
        model,
        Path(target.repository) / (target.name or config.name),
        examples=examples,
        calibration=data.split("train").inputs,
        class_names=_class_names(config, data),
        facts=facts,
        variants=target.variants,
    )


def check_target(target: ExportConfig | None) -> None:
    """Refuse, before anything is trained, a repository below which nothing can be written.

    Raises:
        ExportError: that is so.
    """
    if target is None:
        return
    repository = Path(target.repository).absolute()
    there = next(path for path in (repository, *repository.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ExportError(
            f"export.repository {repository}: nothing can be written to {there}; choose another (--repository)"
        )


def check_converged(config: TrainConfig, metrics: Metrics, epoch: int | None, folder: Path) -> None:
    """Refuse to export weights whose metrics are not finite.

    Raises:
        ExportError: one of them is not; `epoch` is that of the weights.
    """
    for split, measured in metrics.items():
        for name, value in measured.items():
            if not math.isfinite(value):
                raise ExportError(
                    f"training diverged: {split} {name} is {value} with the best weights (epoch {epoch}), so nothing is "
                    f"exported; lower optimizer.learning_rate (it is {config.optimizer.learning_rate:g}) or set "
                    f"optimizer.global_clipnorm. The run is kept in {folder}"
                )


def _class_names(config: TrainConfig, data: Dataset) -> dict[str, tuple[str, ...]]:
    """Return the data's labels for every output whose classes they are."""
    names = {}
    for head, choice in config.model.named_heads().items():
        classes = 2 if choice.units == 1 else choice.units
        if OUTPUT_OF_KIND[choice.kind] == "probabilities" and len(data.class_names) == classes:
            names[output_name(head, choice.kind)] = data.class_names
    return names
