"""The peer: Keras' own `fit`, where it is right (one device, whole batches), trains what the loop trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.training.parity.cases import PLAIN, make_data, plain_config
from tests.training.parity.covering import Case
from training import Split, TrainConfig
from training.batches import distribute_batches
from training.class_weights import make_class_weights
from training.loop import Loop
from training.objectives import make_objectives
from training.optimizers import make_optimizer
from training.strategy import BatchPlan

CASES: list[Case] = [
    {**PLAIN, "family": "mlp", "optimizer": "adamw", "clip": "clipvalue", "weights": "class"},
    {**PLAIN, "family": "cnn", "optimizer": "adam", "clip": "global_clipnorm", "l2": "on"},
    {**PLAIN, "family": "gru", "inputs": "padded ids", "weights": "sample"},  # sgd: Keras' sparse Adam is another
    {**PLAIN, "family": "transformer", "optimizer": "rmsprop", "clip": "clipnorm"},
]
STEPS = 3  # 48 rows in batches of 16, once


CLIPPED: Case = {**PLAIN, "family": "mlp", "clip": "global_clipnorm"}


def by_loop(config: TrainConfig, split: Split, class_weights: Any = None) -> list[np.ndarray]:
    strategy = tf.distribute.get_strategy()
    keras.utils.set_random_seed(0)
    model = zoo.build(config.model)
    optimizer = make_optimizer(config.optimizer, steps=STEPS, steps_per_epoch=STEPS)
    loop = Loop(strategy, model, make_objectives(config, class_weights), optimizer)
    loop.train(distribute_batches(strategy, split, BatchPlan(48, 16)), STEPS)
    return [weight.numpy() for weight in model.weights]


def by_fit(config: TrainConfig, split: Split, class_weights: Any = None) -> list[np.ndarray]:
    keras.utils.set_random_seed(0)
    model = zoo.build(config.model)
    chosen = config.optimizer
    options: dict[str, Any] = {
        name: getattr(chosen, name)
        for name in ("learning_rate", "clipvalue", "clipnorm", "global_clipnorm")
        if getattr(chosen, name) is not None
    }
    options |= chosen.arguments | ({"weight_decay": chosen.weight_decay} if chosen.weight_decay else {})
    peers = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
    optimizer = {**peers, "rmsprop": keras.optimizers.RMSprop}[chosen.name](**options)
    model.compile(optimizer, {"probabilities": "sparse_categorical_crossentropy"})
    model.fit(
        split.inputs,
        split.labels,
        sample_weight=split.weights,
        class_weight=dict(enumerate(class_weights[""])) if class_weights else None,
        batch_size=16, epochs=1, shuffle=False, verbose=0,
    )  # fmt: skip
    return [weight.numpy() for weight in model.weights]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["family"])
def test_the_loop_trains_what_fit_trains(case: Case) -> None:
    plain = plain_config(case)
    plain["optimizer"].pop("schedule", None)
    config, data = TrainConfig.parse(plain), make_data(case)
    split = data.split("train")
    if split.weights is not None:  # fit divides by all rows, the loop by those that count
        split = Split(split.inputs, split.labels, np.maximum(split.weights, 0.5))
    class_weights = make_class_weights(config, data)
    ours, theirs = by_loop(config, split, class_weights), by_fit(config, split, class_weights)
    for got, expected in zip(ours, theirs, strict=True):
        assert np.max(np.abs(got - expected)) <= 1e-5 * max(1.0, np.max(np.abs(expected)))


@pytest.mark.slow
def test_the_order_in_which_fit_clips_and_adds_up_on_replicas_would_be_found_out(
    run_python: Callable[..., Any], tmp_path: Path
) -> None:
    """The suite can fail: under mirrored, fit clips what each replica sees, and that is another training."""
    done = run_python(
        """
import sys
import numpy as np
from tests.training.parity.test_fit import CLIPPED, TrainConfig, by_fit, make_data, plain_config
from training.config import StrategyConfig
from training.strategy import make_strategy

with make_strategy(StrategyConfig(kind="mirrored")).scope():
    weights = by_fit(TrainConfig.parse(plain_config(CLIPPED)), make_data(CLIPPED).split("train"))
np.savez(sys.argv[1], *weights)
""",
        str(tmp_path / "weights.npz"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(tmp_path / "weights.npz") as arrays:
        on_replicas = [arrays[name] for name in arrays.files]
    config, split = TrainConfig.parse(plain_config(CLIPPED)), make_data(CLIPPED).split("train")
    ours, on_one_device = by_loop(config, split), by_fit(config, split)
    assert max(np.max(np.abs(a - b)) for a, b in zip(ours, on_one_device, strict=True)) < 1e-6
    assert max(np.max(np.abs(a - b)) for a, b in zip(ours, on_replicas, strict=True)) > 1e-4
