"""Whether training waits for rows: the input pipeline and the training step, each alone and together."""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from training.batches import distribute_batches
from training.config import TrainConfig
from training.data import Dataset
from training.loop import Loop
from training.preparation import prepare
from training.strategy import BatchPlan
from zoo.errors import ConfigError

ROUNDS = 5
"""Each round measures all three one after the other, so that what else the machine does hits all of them."""
_NEGLIGIBLE = 0.05


@dataclass(frozen=True)
class PipelineBench:
    """What was measured: rows per second, the median of the rounds."""

    config: TrainConfig
    plan: BatchPlan
    pipeline: float
    """Of making batches, with nothing done to them."""
    step: float
    """Of training on one batch again and again."""
    both: float
    """Of training."""

    @property
    def bottleneck(self) -> Literal["pipeline", "step"]:
        """What is slower by itself."""
        return "pipeline" if self.pipeline < self.step else "step"

    @property
    def waiting(self) -> float:
        """The share of training's time that goes to the pipeline: waiting for rows, or sharing the processor with it."""
        return max(0.0, 1 - self.both / self.step)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, a sentence each."""
        if self.waiting < _NEGLIGIBLE:
            return (*_of_step(self.config), "a quicker pipeline would change next to nothing")
        if self.bottleneck == "step":
            return ("the pipeline keeps up, but takes processor time from the step", *_of_pipeline(self.config))
        return _of_pipeline(self.config)


def bench_pipeline(config: TrainConfig, *, seconds: float = 10.0, data: Dataset | None = None) -> PipelineBench:
    """Measure the input pipeline and the training step of a recipe.

    Args:
        config: the recipe.
        seconds: how long to measure in all, beside loading the data and compiling.
        data: rows to learn from, in place of the data set that the config names.

    Raises:
        ConfigError: parts of the config do not fit each other, the data or the machine; or the time is none.
        UnknownNameError: there is no such data set.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConfigError(f"seconds: expected a time above 0, got {seconds}")
    if config.strategy.kind in {"multi_worker", "parameter_server"}:
        raise ConfigError(
            f"strategy {config.strategy.kind}: measure the pipeline of one worker, with strategy: default"
        )
    made = prepare(config, data)
    rows, plan, loop = made.rows, made.plan, made.loop

    def batches(*, one_step: bool = False) -> Iterator[Any]:
        return distribute_batches(
            made.strategy, rows, plan, seed=config.seed, augmentation=made.augmentation, one_step=one_step
        )

    calls = {
        "pipeline": _drain(batches()),
        "step": _train(loop, batches(one_step=True)),
        "both": _train(loop, batches()),
    }
    found: dict[str, list[float]] = {name: [] for name in calls}
    full = min(plan.batch_size, plan.rows)
    steps = min(config.train.steps_per_call, plan.steps)
    mean = min(plan.rows, plan.steps * plan.batch_size) / plan.steps
    for call in calls.values():
        call(steps)
    for _ in range(ROUNDS):
        for name, call in calls.items():
            speed = _steps_per_second(call, steps, seconds / ROUNDS / len(calls))
            found[name].append(speed * (full if name == "step" else mean))
    return PipelineBench(config, plan, **{name: statistics.median(speeds) for name, speeds in found.items()})


def _drain(batches: Iterator[Any]) -> Callable[[int], object]:
    """Return what takes so many batches and does nothing with them."""

    @tf.function
    def drain(steps: tf.Tensor) -> tf.Tensor:
        for _ in tf.range(steps):
            next(batches)
        return steps

    return lambda steps: drain(tf.constant(steps)).numpy()


def _train(loop: Loop, batches: Iterator[Any]) -> Callable[[int], object]:
    return lambda steps: loop.train(batches, steps)


def _steps_per_second(call: Callable[[int], object], steps: int, seconds: float) -> float:
    done, started, passed = 0, time.perf_counter(), 0.0
    while passed < seconds:
        call(steps)
        done += steps
        passed = time.perf_counter() - started
    return done / passed


def _of_step(config: TrainConfig) -> tuple[str, ...]:
    """Return what makes steps quicker."""
    ideas = []
    if config.train.steps_per_call < 32:
        ideas.append(f"raise train.steps_per_call ({config.train.steps_per_call}): returning to Python costs time")
    if not config.train.jit:
        ideas.append("try train.jit: true (small dense models), or a larger train.batch_size")
    if config.strategy.kind in {"default", "one_device"} and len(tf.config.list_physical_devices("GPU")) > 1:
        ideas.append("use every GPU: strategy: mirrored")
    return tuple(ideas)


def _of_pipeline(config: TrainConfig) -> tuple[str, ...]:
    """Return what makes the pipeline quicker."""
    augmentation = config.data.augmentation
    ideas = []
    if augmentation is not None and (augmentation.rotate or augmentation.zoom):
        ideas.append("data.augmentation: rotate and zoom compute every pixel anew; flip and shift only move pixels")
    elif augmentation is not None:
        ideas.append("change less of the images: leave out parts of data.augmentation, one by one")
    ideas.append("keep inputs as small as they come (uint8 in place of float32), and let the model rescale them")
    ideas.append("give the pipeline more processor cores, or raise train.batch_size")
    return tuple(ideas)
