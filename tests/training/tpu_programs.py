"""What a TPU would be given to compile, compiled by XLA for the CPU: `python -m tests.training.tpu_programs FAMILY`.

A TPU's strategy makes an XLA program of whatever it is told to run on a replica: forward and backward pass, the optimizer's
step, the measures of a batch. `Compiling` does that on one device; the loop is the same.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.training.parity.cases import PLAIN, make_data, plain_config
from training import Dataset, TrainConfig
from training.batches import distribute_batches
from training.evaluation import Evaluation
from training.loop import Loop
from training.objectives import Totals, make_objectives
from training.optimizers import make_optimizer
from training.reproducibility import dtype_policy
from training.static_shapes import check_static
from training.strategy import BatchPlan

TOLERANCES = {"float32": 1e-5, "mixed_bfloat16": 0.04}
"""Of a loss, a metric, and the gradient of a weight by its largest entry. Where that is less than a hundredth of the largest
of all, it is by this hundredth: a key's bias under a softmax has a gradient of rounding alone. XLA keeps in float32 what
TensorFlow rounds to bfloat16 (a part in 256) after every operation."""


class Compiling(tf.distribute.OneDeviceStrategy):
    """Compiles with XLA all that it runs, and counts it."""

    def __init__(self) -> None:
        super().__init__("/cpu:0")
        self.programs = 0

    def run(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, options: Any = None) -> Any:
        self.programs += 1
        return super().run(tf.function(fn, jit_compile=True, autograph=False), args, kwargs, options)


def config_of(family: str, precision: str) -> TrainConfig:
    """Return what is trained: SGD of rate 1, whose first step is the gradient."""
    config = plain_config({**PLAIN, "family": family}) | {
        "optimizer": {"name": "sgd", "learning_rate": 1.0},
        "strategy": "tpu",
    }
    config["train"] |= {"precision": precision}
    return TrainConfig.parse(config)


def trained(config: TrainConfig, data: Dataset, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Return what a step is made of: what was measured of its batch, the change of each weight, and the evaluation."""
    split, train = data.split("train"), config.train
    plan = BatchPlan(len(split), train.batch_size, drop_remainder=train.drop_remainder)
    check_static(plan)
    keras.utils.set_random_seed(config.seed)
    with strategy.scope(), dtype_policy(train.precision):
        model = zoo.build(config.model)
        optimizer = make_optimizer(config.optimizer, steps=1, steps_per_epoch=1)
    loop = Loop(strategy, model, make_objectives(config), optimizer)
    evaluation = Evaluation(loop, strategy, data, split="validation", config=train, static=True)
    before = [weight.numpy() for weight in model.weights]
    totals = Totals(loop.ledger)
    totals.add(loop.train(distribute_batches(strategy, split, plan, seed=config.seed), 1)[0])
    steps = {weight.path: weight.numpy() - old for weight, old in zip(model.weights, before, strict=True)}
    return {"train": totals.values(), "steps": steps, "validation": evaluation.measure()}


def compare(family: str, precision: str) -> None:
    """Raise AssertionError where what was compiled says something else, or was not compiled."""
    config = config_of(family, precision)
    data = make_data({**PLAIN, "family": family})
    compiling = Compiling()
    plain, compiled = (trained(config, data, each) for each in (tf.distribute.OneDeviceStrategy("/cpu:0"), compiling))
    assert compiling.programs == 3  # gradients, the optimizer's step, the measures of an evaluation
    tolerance = TOLERANCES[precision]
    for split in ("train", "validation"):
        assert compiled[split] == pytest.approx(plain[split], rel=tolerance, abs=tolerance), split
    largest = max(np.abs(step).max() for step in plain["steps"].values())
    assert largest > 0.01
    for name, step in plain["steps"].items():
        scale = max(0.01 * largest, np.abs(step).max())
        np.testing.assert_allclose(compiled["steps"][name], step, rtol=0, atol=tolerance * scale, err_msg=name)


if __name__ == "__main__":
    for precision in TOLERANCES:
        compare(sys.argv[1], precision)
        sys.stdout.write(f"{precision}\n")
    sys.stdout.flush()
    os._exit(0)  # TensorFlow's threads may outlive what they use: a process that ended as others do was killed by that
