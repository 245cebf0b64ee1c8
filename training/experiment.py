"""The story of a run, top to bottom: strategy, data, model, epochs, best weights, evaluation, export."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras

import zoo
from training.batches import distribute_batches
from training.callbacks import Call, Callback, End, EpochEnd, JsonLog, Start, TensorBoardLog
from training.checkpoint import BestWeights
from training.compatibility import check_data
from training.config import ExportConfig, LoopConfig, TrainConfig
from training.data import Dataset, Split, load_data
from training.loop import Loop, Totals
from training.objectives import make_objectives, metric_names
from training.optimizers import current_rate, make_optimizer
from training.run import BEST_WEIGHTS, Run, make_folder
from training.strategy import BatchPlan, check_pieces, make_strategy, plan_evaluation
from zoo.errors import ConfigError, ExportError, UnknownNameError, did_you_mean
from zoo.heads import OUTPUT_OF_KIND, output_name
from zoo.preprocessing import adapt

Metrics = Mapping[str, float]


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C, after everything learnt so far was saved in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"interrupted; what was learnt so far is in {folder}")
        self.folder = folder


def train(
    config: TrainConfig, *, callbacks: Sequence[Callback] = (), runs: str | Path = "runs", data: Dataset | None = None
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

    Returns:
        The finished run: its folder, history, metrics of the best weights by split, and the exported version.

    Raises:
        ConfigError: parts of the config do not fit each other, the data or the machine.
        UnknownNameError: there is no such data set, or it has no `train` or `validation` split.
        ExportError: training diverged, so there is nothing to export (the run's folder is kept), or `zoo.export` refuses.
        TrainingInterrupted: Ctrl-C; the best weights and the log of the epochs before it are kept.
    """
    if not isinstance(config, TrainConfig):
        raise ConfigError(
            f"expected a TrainConfig, got {type(config).__name__}: training.TrainConfig.parse(...) makes one of a dict, "
            "training.load_recipe(...) of a recipe"
        )
    _refuse_other_data(data)
    started = time.perf_counter()
    strategy = make_strategy(config.strategy)
    keras.utils.set_random_seed(config.seed)
    data = data or load_data(config.data)
    check_data(data, config.model)
    objectives = make_objectives(config.model)
    _check_monitor(config.train.monitor, metric_names(objectives))
    plan = BatchPlan(len(data.split("train")), config.train.batch_size, strategy.num_replicas_in_sync)
    with strategy.scope():
        model = zoo.build(config.model)
        adapt(model, data.split("train").named_inputs())
        optimizer = make_optimizer(config.optimizer, steps=plan.steps * config.train.epochs)
    check_pieces(plan, model)
    loop = Loop(strategy, model, objectives, optimizer)
    batches = distribute_batches(strategy, data.split("train"), plan, seed=config.seed)
    evaluations = {
        split: _Evaluation(loop, strategy, data, split, config.train)
        for split in ("validation", "test")
        if split in data.splits or split == "validation"
    }

    folder = make_folder(config, runs)
    best = BestWeights(folder / BEST_WEIGHTS, config.train.monitor)
    watchers = (JsonLog(folder), TensorBoardLog(folder), *callbacks)
    status, done, artifact = "failed", 0, None
    metrics: dict[str, Metrics] = {}
    try:
        _tell(watchers, Start(config.name, folder, config.train.epochs, plan.steps, _notes(data, model, plan)))
        for epoch in range(1, config.train.epochs + 1):
            trained, seconds = _train_epoch(epoch, loop, batches, plan, config.train, watchers)
            measured = {"train": trained, "validation": evaluations["validation"].measure()}
            is_best = best.offer(model, epoch, measured["validation"][config.train.monitor])
            rate = current_rate(optimizer)
            _tell(watchers, EpochEnd(epoch, epoch * plan.steps, seconds, plan.rows / seconds, rate, measured, is_best))
            done = epoch
        best.restore(model)
        for split, evaluation in evaluations.items():
            metrics[split] = evaluation.measure()
        if config.export is not None:
            _check_converged(config, metrics, best.epoch, folder)
            artifact = _export(config, config.export, data, metrics, best)
        status = "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        best.keep(model, epoch=done)
        raise TrainingInterrupted(folder) from None
    finally:
        _tell(watchers, End(status, done, best.epoch, time.perf_counter() - started, metrics, artifact))
    return Run.load(folder)


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
    _refuse_other_data(data)
    run = run if isinstance(run, Run) else Run.load(run)
    strategy = make_strategy(run.config.strategy)
    try:
        data = data or load_data(run.config.data)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"{error}; a run that learnt from data given in Python is evaluated there: training.evaluate(run, data=...)"
        ) from None
    check_data(data.only(split), run.config.model)
    with strategy.scope():
        model = run.model()
    loop = Loop(strategy, model, make_objectives(run.config.model))
    return _Evaluation(loop, strategy, data, split, run.config.train).measure()


def _refuse_other_data(data: object) -> None:
    if data is not None and not isinstance(data, Dataset):
        raise ConfigError(
            f"expected a training.Dataset, got {type(data).__name__}: training.Dataset(name, "
            '{"train": training.Split(inputs, labels), "validation": ...})'
        )


class _Evaluation:
    """One split, planned at once (raises ConfigError where it cannot be), to be measured whenever asked."""

    def __init__(self, loop: Loop, strategy: Any, data: Dataset, name: str, config: LoopConfig) -> None:
        self._loop = loop
        self._strategy = strategy
        self._split: Split = data.split(name)
        self._plan = plan_evaluation(
            name, len(self._split), config.eval_batch_size, strategy.num_replicas_in_sync, loop.model
        )
        self._steps_per_call = config.steps_per_call

    @cached_property
    def _batches(self) -> Iterator[Any]:
        # Endless, and each measurement takes whole epochs. Made when needed: it copies the rows into TensorFlow.
        return distribute_batches(self._strategy, self._split, self._plan)

    def measure(self) -> dict[str, float]:
        return self._loop.evaluate(self._batches, self._plan.steps, self._steps_per_call)


def _train_epoch(
    epoch: int,
    loop: Loop,
    batches: Iterator[Any],
    plan: BatchPlan,
    config: LoopConfig,
    watchers: Sequence[Callback],
) -> tuple[Metrics, float]:
    """Take one epoch's steps. Returns the means of what was measured on the way, and the seconds it took."""
    totals = Totals(loop.names)
    started = time.perf_counter()
    for done in range(0, plan.steps, config.steps_per_call):
        steps = min(config.steps_per_call, plan.steps - done)
        loop.train(batches, steps, totals)
        speed = totals.rows / (time.perf_counter() - started)
        _tell(watchers, Call(epoch, done + steps, totals.means(), speed))
    return totals.means(), time.perf_counter() - started


def _tell(watchers: Sequence[Callback], moment: Start | Call | EpochEnd | End) -> None:
    for watcher in watchers:
        match moment:
            case Start():
                watcher.on_start(moment)
            case Call():
                watcher.on_call(moment)
            case EpochEnd():
                watcher.on_epoch_end(moment)
            case End():
                watcher.on_end(moment)


def _notes(data: Dataset, model: keras.Model, plan: BatchPlan) -> tuple[str, ...]:
    splits = ", ".join(f"{name} {len(split)}" for name, split in data.splits.items())
    return (
        f"data     {data.name} {data.version}: {splits}",
        f"model    {model.name}, {model.count_params():,} parameters",
        f"batches  {plan.describe()}",
    )


def _check_monitor(monitor: str, names: Sequence[str]) -> None:
    if monitor not in names:
        raise ConfigError(f"train.monitor {monitor!r} is not measured; {did_you_mean(monitor, names)}")


def _check_converged(config: TrainConfig, metrics: Mapping[str, Metrics], epoch: int | None, folder: Path) -> None:
    """Refuse to export weights whose metrics are not finite."""
    for split, measured in metrics.items():
        for name, value in measured.items():
            if not math.isfinite(value):
                raise ExportError(
                    f"training diverged: {split} {name} is {value} with the best weights (epoch {epoch}), so nothing is "
                    f"exported; lower optimizer.learning_rate (it is {config.optimizer.learning_rate:g}) or set "
                    f"optimizer.clip_norm. The run is kept in {folder}"
                )


def _export(
    config: TrainConfig, target: ExportConfig, data: Dataset, metrics: Mapping[str, Metrics], best: BestWeights
) -> Path:
    """Export the best weights, in a model that knows nothing of the strategy it was trained under."""
    model = zoo.build(config.model)
    best.restore(model)
    facts = zoo.ExportFacts(
        model=config.model,
        recipe=config,
        data=data.facts(),
        metrics=metrics,
        input_ranges=data.input_ranges(),
    )
    examples = data.split("test" if "test" in data.splits else "validation").inputs
    return zoo.export(
        model,
        Path(target.repository) / (target.name or config.name),
        examples=examples,
        class_names=_class_names(config, data),
        facts=facts,
    )


def _class_names(config: TrainConfig, data: Dataset) -> dict[str, tuple[str, ...]]:
    """Return the data's labels for every output whose classes they are."""
    names = {}
    for head, choice in config.model.named_heads().items():
        classes = 2 if choice.units == 1 else choice.units
        if OUTPUT_OF_KIND[choice.kind] == "probabilities" and len(data.class_names) == classes:
            names[output_name(head, choice.kind)] = data.class_names
    return names
