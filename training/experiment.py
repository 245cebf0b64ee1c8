"""The story of a run, top to bottom: strategy, data, model, epochs, best weights, evaluation, export."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from training.asynchronous.coordination import coordinating, serve_chief, serves
from training.broadcast import is_chief, on_chief
from training.callbacks import Callback, End, JsonLog, Start, tell
from training.checkpoint import BestWeights, Checkpoints
from training.checkup import Checkup
from training.class_coverage import find_uncovered_classes
from training.class_weights import make_class_weights
from training.cluster.addresses import Cluster
from training.cluster.attendance import Attendance
from training.cluster.joining import join_cluster, naming_losses
from training.compatibility import check_data
from training.config import TrainConfig
from training.data import Dataset
from training.evaluation import Evaluation, Measurement
from training.exporting import check_target, export_trained
from training.facts import write_facts
from training.inheritance import Inheritance
from training.intervals import Interval
from training.loop import Loop
from training.objectives import make_objectives
from training.optimizers import current_rate
from training.preparation import prepare
from training.reproducibility import dtype_policy
from training.run import Run, find_unfinished, make_folder
from training.run_data import data_of, refuse_other_data
from training.run_lock import lock_run
from training.run_log import BEST_WEIGHTS, CHECKPOINTS
from training.strategy import BatchPlan, alone, make_strategy
from training.tensorboard import TensorBoardLog
from training.trainer import DivergedError, StoppedError, Trainer
from training.variance_shift import find_variance_shift
from zoo.config import INPUT_NAME
from zoo.errors import ConfigError, ZooError

Metrics = Mapping[str, float]


class TrainingInterrupted(KeyboardInterrupt):
    """The run was asked to stop, after everything learnt so far was saved in `folder`."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        super().__init__(f"interrupted after step {step}; what was learnt so far is in {folder}")
        self.folder = folder


class TrainingDivergedError(ZooError):
    """The loss is no number or blew up, and going back with lower learning rates did not help."""


def train(
    config: TrainConfig,
    *,
    callbacks: Sequence[Callback] = (),
    runs: str | Path = "runs",
    data: Dataset | None = None,
    resume: str | Path | Literal[True] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    cluster: Cluster | None = None,
    report: bool = False,
) -> Run:
    """Train, evaluate and export what a config describes.

    Example:
        >>> import training
        >>> run = training.train(training.load_recipe("digits_cnn"))  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]  # doctest: +SKIP
        0.99

    Args:
        config: the experiment.
        callbacks: what else should watch it.
        runs: the folder below which the run gets its own.
        data: rows to learn from, in place of the data set that the config names.
        resume: go on with a run of this config from its newest checkpoint: the folder of one, or True for the newest that
            is not finished (a new run, where there is none). With `train.deterministic` the weights in the end are, bit for
            bit, those of a run that was never interrupted.
        should_stop: is asked after every call whether to save the state and stop; any worker's answer stops all of them.
        cluster: the processes of strategy `multi_worker` or `parameter_server`, and which of them this is; None reads
            TF_CONFIG. Call `train` in each of them with the same config. Only the chief writes files and calls callbacks;
            the workers and servers of `parameter_server` serve until it is through.
        report: write `report.html` and `report.png` into the run's folder at the end, as `training.write_report` does.

    Returns:
        The finished run: its folder, history, metrics of the best weights by split, and the exported version. On workers
        that are not the chief: config, status and metrics.

    Raises:
        ConfigError: parts of the config do not fit each other, the data or the machine.
        UnknownNameError: there is no such data set, or it has no `train` or `validation` split.
        TrainingDivergedError: the loss blew up and lower learning rates did not help; the run's folder is kept.
        ExportError: the best weights give metrics that are no numbers, or `zoo.export` refuses.
        TrainingInterrupted: on request, or Ctrl-C; the run can be resumed.
        WorkerLostError: another process is gone that this one needs: start all of them again, with `resume`.
    """
    if not isinstance(config, TrainConfig):
        raise ConfigError(
            f"expected a TrainConfig, got {type(config).__name__}: training.TrainConfig.parse(...) makes one of a dict, "
            "training.load_recipe(...) of a recipe"
        )
    refuse_other_data(data)
    started = time.perf_counter()
    cluster = join_cluster(config, cluster)
    if cluster is not None and serves(config, cluster):
        if not serve_chief(config, cluster, should_stop):
            raise TrainingInterrupted(Path(runs) / config.name)
        return Run(Path(runs) / config.name, config, status="finished")
    with (
        naming_losses(cluster),
        contextlib.ExitStack() as held,
        coordinating(config, cluster) as attendance,
    ):
        parts = _prepare(config, data, cluster, attendance)
        folder = on_chief(parts.strategy, lambda: _open_folder(config, runs, resume, held)) or Path(runs) / config.name
        watch = _Watch(started, callbacks, should_stop)
        run = _train(config, parts, folder, resume=bool(resume), watch=watch)
        if report:
            from training.report import try_to_report

            # The others wait: the chief's TensorFlow would complain of those that left.
            on_chief(parts.strategy, lambda: try_to_report(run, parts.data))
    return run


@dataclass(frozen=True)
class _Watch:
    """Who looks on, and since when."""

    started: float
    callbacks: Sequence[Callback]
    should_stop: Callable[[], bool]


def _train(config: TrainConfig, parts: "_Parts", folder: Path, *, resume: bool, watch: _Watch) -> Run:
    strategy, data, trainer, plan = parts.strategy, parts.data, parts.trainer, parts.plan
    chief = is_chief(strategy)
    watchers: tuple[Callback, ...] = ()
    if chief:
        trainer.keep_in(
            Checkpoints(folder / CHECKPOINTS, trainer.variables, keep=config.train.checkpoints),
            BestWeights(folder / BEST_WEIGHTS),
        )
    resumed = resume and trainer.restore()
    if chief:
        write_facts(folder, data, parent=None if parts.inheritance is None else parts.inheritance.parent)
        watchers = (JsonLog(folder, after_step=trainer.position.step), TensorBoardLog(folder), *watch.callbacks)
    status, done, artifact = "failed", trainer.position.step // plan.steps, None
    metrics: dict[str, Metrics] = {}
    intervals: dict[str, Mapping[str, Interval]] = {}
    try:
        notes = _notes(parts, config)
        if resume:
            notes = (*notes, _resumed(trainer.position.step, plan.steps * config.train.epochs, found=resumed))
        checkup = Checkup(parts.loop, data.split("validation"), config.optimizer) if chief else None
        tell(watchers, _start(parts, config, folder, notes=notes, checkup=checkup))
        for epoch in trainer.epochs(partial(tell, watchers), watch.should_stop):
            tell(watchers, epoch if checkup is None else checkup.after(epoch))
            done = epoch.epoch
        trainer.restore_best()
        for split, evaluation in parts.evaluations.items():
            measured = evaluation.measure_with_intervals()
            metrics[split], intervals[split] = measured.metrics, measured.intervals
        best = trainer.position.best_epoch
        artifact = on_chief(
            strategy, lambda: export_trained(config, data, metrics, folder, epoch=best, intervals=intervals)
        )  # the others wait for it
        status = "finished"
    except DivergedError as error:
        raise TrainingDivergedError(_advice(error, config, trainer, folder)) from None
    except (StoppedError, KeyboardInterrupt):
        status = "interrupted"
        raise TrainingInterrupted(folder, trainer.position.step) from None
    finally:
        seconds, best = time.perf_counter() - watch.started, trainer.position.best_epoch
        tell(watchers, End(status, done, best, seconds, metrics, artifact, intervals))
    return Run.load(folder) if chief else Run(folder, config, metrics=metrics, status=status, best_epoch=best)


@dataclass(frozen=True)
class _Parts:
    """What a run is made of, ready for its first step."""

    strategy: tf.distribute.Strategy
    data: Dataset
    model: keras.Model
    loop: Loop
    optimizer: keras.Optimizer
    plan: BatchPlan
    trainer: Trainer
    evaluations: Mapping[str, Evaluation]
    """By split."""
    inheritance: Inheritance | None
    """What the model began with, where that is an exported version."""


def _prepare(
    config: TrainConfig, data: Dataset | None, cluster: Cluster | None, attendance: Attendance | None
) -> _Parts:
    made = prepare(config, data, cluster, attendance)
    static = config.strategy.kind == "tpu"
    evaluations = {
        split: Evaluation(made.loop, made.strategy, made.data, split=split, config=config.train, static=static)
        for split in ("validation", "test")
        if split in made.data.splits or split == "validation"
    }
    trainer = Trainer(
        made.loop,
        made.strategy,
        made.optimizer,
        split=made.rows,
        plan=made.plan,
        validation=evaluations["validation"],
        config=config.train,
        seed=config.seed,
        augmentation=made.augmentation,
    )
    return _Parts(
        made.strategy,
        made.data,
        made.model,
        made.loop,
        made.optimizer,
        made.plan,
        trainer,
        evaluations,
        made.inheritance,
    )


def _start(
    parts: _Parts, config: TrainConfig, folder: Path, *, notes: tuple[str, ...], checkup: Checkup | None
) -> Start:
    step, stopping = parts.trainer.position.step, config.train.early_stopping
    uncovered = () if step or checkup is None else find_uncovered_classes(config, parts.data)
    images = len(config.model.input_specs()[INPUT_NAME].shape) == 3 and not config.model.gives_sequence()
    return Start(
        config.name,
        folder,
        config.train.epochs,
        parts.plan.steps,
        notes,
        first_step=step,
        unit="images" if images else "examples",
        patience=None if stopping is None else stopping.patience,
        warnings=()
        if checkup is None
        else (*uncovered, *checkup.before(current_rate(parts.optimizer), started=step > 0)),
    )


def _open_folder(
    config: TrainConfig, runs: str | Path, resume: str | Path | Literal[True] | None, held: contextlib.ExitStack
) -> Path:
    check_target(config.export)
    folder = _folder(config, runs, resume)
    held.enter_context(lock_run(folder))
    return folder


def _folder(config: TrainConfig, runs: str | Path, resume: str | Path | Literal[True] | None) -> Path:
    if not resume:
        return make_folder(config, runs)
    if resume is True:
        return find_unfinished(config, runs) or make_folder(config, runs)
    run = Run.load(resume)
    if run.config.content_hash() != config.content_hash():
        raise ConfigError(
            f"{run.folder} is a run of another config: `zoo train --resume {run.folder}` takes the recipe as it was then, "
            "in Python training.Run.load(folder).config; or start anew"
        )
    if run.status == "finished":
        raise ConfigError(f"{run.folder} is finished: there is nothing to resume")
    return run.folder


def evaluate(run: Run | str | Path, split: str = "test", *, data: Dataset | None = None) -> dict[str, float]:
    """Return loss and metrics of a run's best weights on a split.

    Args:
        run: a run, its folder, or the folder of a recipe's runs for the newest one.
        split: of the run's data set.
        data: the data set, where the run was trained on one given in Python.

    Raises:
        UnknownNameError: there is no such run or split.
        ConfigError: the run has no weights, or the rows do not fit the model.
    """
    return dict(measure(run, split, data=data).metrics)


def measure(run: Run | str | Path, split: str = "test", *, data: Dataset | None = None) -> Measurement:
    """Return loss and metrics of a run's best weights on a split, with their confidence intervals. See `evaluate`."""
    run = run if isinstance(run, Run) else Run.load(run)
    strategy = make_strategy(alone(run.config.strategy))
    data = data_of(run, data, call="training.evaluate(run, data=...)")
    check_data(data.only(split), run.config.model, run.config.losses())
    with strategy.scope(), dtype_policy(run.config.train.precision):
        model = run.model()
    loop = Loop(strategy, model, make_objectives(run.config, make_class_weights(run.config, data)))
    return Evaluation(loop, strategy, data, split=split, config=run.config.train).measure_with_intervals()


def _resumed(step: int, steps: int, *, found: bool) -> str:
    if found:
        return f"resumed  at step {step} of {steps}"
    return "resumed  nothing: there is no unfinished run of this very config with a saved state; a new one begins"


def _notes(parts: _Parts, config: TrainConfig) -> tuple[str, ...]:
    data = parts.data
    splits = ", ".join(f"{name} {len(split)}" for name, split in data.splits.items())
    notes = [
        f"data     {data.name}{data.version and f' {data.version}'}: {splits}",
        f"model    {parts.model.name}, {parts.model.count_params():,} parameters",
        f"batches  {parts.plan.describe()}",
    ]
    if parts.inheritance is not None:
        notes.insert(2, f"         {parts.inheritance.describe()}")
    if config.train.accumulation > 1:
        notes.append(f"         computed in {config.train.accumulation} pieces, one after the other")
    return (*notes, *(f"note     {text}" for text in find_variance_shift(parts.model)))


def _advice(error: DivergedError, config: TrainConfig, trainer: Trainer, folder: Path) -> str:
    tries = f" after {trainer.position.recoveries} tries with lower rates" if trainer.position.recoveries else ""
    return (
        f"{error}{tries}: lower optimizer.learning_rate (it is {config.optimizer.learning_rate:g}), warm up "
        f"(optimizer.schedule.warmup_epochs) or set optimizer.global_clipnorm. The run is kept in {folder}"
    )
