"""Exporting a run that was trained before: where its export failed, elsewhere, or where it had none."""

from collections.abc import Sequence
from pathlib import Path

from training.config import ExportConfig
from training.data import Dataset
from training.experiment import measure
from training.exporting import check_converged, check_target, export_best
from training.facts import read_facts
from training.run import Run
from training.run_data import data_of
from training.run_lock import lock_run
from training.run_log import BEST_WEIGHTS, METRICS, log_export
from zoo.errors import ConfigError
from zoo.variants.names import check_names


def export_run(
    run: Run | str | Path,
    *,
    repository: str | Path | None = None,
    name: str | None = None,
    variants: Sequence[str] | None = None,
    data: Dataset | None = None,
) -> Path:
    """Export a run's best weights as the next version of a model, as training does at its end.

    Metrics that the run did not come to measure, because it was stopped, are measured.

    Example:
        >>> import training
        >>> training.export_run("runs/digits_cnn", repository="saved_models")  # doctest: +SKIP
        PosixPath('saved_models/digits_cnn/2')

    Args:
        run: a run, its folder, or the folder of a recipe's runs for the newest one.
        repository: the folder of models; None is that of the run's config, or `saved_models` where it exports nothing.
        name: of the served model; None is that of the run's config, or the recipe's.
        variants: files with the same model to write as well, besides those of the run's config: `int8`, `int8_full`, `onnx`.
        data: the data set, where the run was trained on one given in Python.

    Returns:
        The folder of the new version.

    Raises:
        UnknownNameError: there is no such run, data set or variant.
        ConfigError: the run has no weights yet or is being trained, or its data are others by now.
        ExportError: a metric is no number, nothing can be written there, or `zoo.export` refuses.
    """
    run = run if isinstance(run, Run) else Run.load(run)
    if not run.best_weights.exists():
        raise ConfigError(
            f"{run.folder} has no {BEST_WEIGHTS} to export ({run.status}): train on with `zoo train --resume {run.folder}`"
        )
    chosen = (run.config.export or ExportConfig()).model_dump()
    chosen |= {} if repository is None else {"repository": str(repository)}
    chosen |= {} if name is None else {"name": name}
    chosen |= {} if variants is None else {"variants": check_names((*chosen["variants"], *variants))}
    target = ExportConfig.parse(chosen)
    check_target(target)
    with lock_run(run.folder):
        found = data_of(run, data, call="training.export_run(run, data=...)")
        _refuse_changed(found, run)
        metrics, intervals = run.metrics, run.intervals
        if not metrics:
            measured = {name: measure(run, name, data=found) for name in ("validation", "test") if name in found.splits}
            metrics = {name: each.metrics for name, each in measured.items()}
            intervals = {name: each.intervals for name, each in measured.items()}
        check_converged(run.config, metrics, run.best_epoch, run.folder)
        artifact = export_best(run.config, target, found, metrics, run.folder, intervals=intervals)
        log_export(run.folder / METRICS, artifact)
    return artifact


def _refuse_changed(data: Dataset, run: Run) -> None:
    then = read_facts(run.folder).get("data", {}).get("fingerprint", data.fingerprint)
    if then != data.fingerprint:
        raise ConfigError(
            f"the data of {run.folder} are others by now ({data.fingerprint}; it learnt from {then}): its metrics would not "
            "be of them; bring back the data it learnt from, or train anew"
        )
