"""How long a model takes on this machine."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from zoo.compiled import compiled
from zoo.machine import processor
from zoo.preprocessing import adapt, needs_adapting

BATCHES = (1, 32)
SECONDS = 0.25
"""How long each batch size is measured."""
LENGTH = 128
"""How long an axis of any length is made."""
MOST_CALLS = 1000
WARM_UP = 3


@dataclass(frozen=True)
class Timing:
    """The forward pass of one batch, compiled, its inputs already on the device and its outputs brought back."""

    batch: int
    seconds: float
    """Per call, the median."""
    calls: int
    """How many there were."""

    @property
    def seconds_per_row(self) -> float:
        """Per example."""
        return self.seconds / self.batch


def time_rows(
    model: keras.Model, batches: Sequence[int] = BATCHES, *, length: int = LENGTH, seconds: float = SECONDS
) -> list[Timing]:
    """Measure the compiled forward pass.

    Preprocessing that has not seen data yet is adapted to made-up rows first, so give a model that is not to be trained.

    Args:
        model: functional.
        batches: sizes of the batches.
        length: of axes that may be of any length.
        seconds: how long to measure each size.
    """
    if needs_adapting(model):
        adapt(model, _rows(model, 64, length))
    call = compiled(keras.Model({tensor.name: tensor for tensor in model.inputs}, model.outputs))
    return [_time(call, _rows(model, batch, length), batch, seconds) for batch in batches]


def device() -> str:
    """Return what the model runs on: the GPU's name, or the processor and how many cores of it this process may use."""
    if keras.backend.backend() == "jax":
        import jax

        found = jax.devices()[0]
        if found.platform != "cpu":
            return str(found.device_kind)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{processor()}, {cores} core{'s' * (cores != 1)}"


def _rows(model: keras.Model, rows: int, length: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    inputs = {}
    for tensor in model.inputs:
        shape = (rows, *(size or length for size in tensor.shape[1:]))
        if tensor.dtype == "string":
            inputs[tensor.name] = np.full(shape, "some words of text", object)
        elif "int" in tensor.dtype:
            inputs[tensor.name] = np.ones(shape, tensor.dtype)  # an id that every vocabulary has, and no padding
        else:
            inputs[tensor.name] = random.normal(size=shape).astype(tensor.dtype)
    return inputs


def _time(call: object, rows: dict[str, np.ndarray], batch: int, seconds: float) -> Timing:
    inputs = {name: keras.ops.convert_to_tensor(x) for name, x in rows.items()}
    taken: list[float] = []
    for number in range(WARM_UP + MOST_CALLS):
        started = time.perf_counter()
        keras.tree.map_structure(keras.ops.convert_to_numpy, call(inputs))  # type: ignore[operator]
        if number >= WARM_UP:
            taken.append(time.perf_counter() - started)
        if sum(taken) > seconds:
            break
    return Timing(batch, statistics.median(taken), len(taken))
