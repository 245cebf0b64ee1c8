"""Every replica draws dropout masks of its own."""

import json
from collections.abc import Callable
from typing import Any

import pytest

MASKS = """
import json
import keras
import numpy as np
import tensorflow as tf
from training.config import StrategyConfig
from training.loop import diversify_noise
from training.strategy import make_strategy

strategy = make_strategy(StrategyConfig(kind="mirrored"))
keras.utils.set_random_seed(0)
ones = tf.ones((1, 10_000))


def masks(diverse):
    with strategy.scope():
        model = keras.Sequential([keras.Input((10_000,)), keras.layers.Dropout(0.5)])
        if diverse:
            diversify_noise(model)
        drop = tf.function(lambda: strategy.run(lambda: model(ones, training=True)))
        return [[mask.numpy()[0] != 0 for mask in strategy.experimental_local_results(drop())] for _ in range(2)]


def agreement(a, b):
    return float(np.mean(a == b))


(a, b), (c, d) = masks(True)
(e, f), _ = masks(False)
print(json.dumps({
    "kept": [float(np.mean(mask)) for mask in (a, b, c, d)],
    "replicas": agreement(a, b), "steps": agreement(a, c), "across": agreement(b, c), "keras": agreement(e, f),
}))
"""


@pytest.mark.slow
def test_masks_of_replicas_are_as_different_as_those_of_steps(run_python: Callable[..., Any]) -> None:
    done = run_python(MASKS)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    # Of 10,000 numbers that agree by chance, .5 do; five standard deviations are .025.
    assert found["kept"] == pytest.approx([0.5] * 4, abs=0.025)
    for pair in ("replicas", "steps", "across"):
        assert found[pair] == pytest.approx(0.5, abs=0.025), pair
    assert found["keras"] == 1, "left to Keras, replicas draw the same, which is what this guards against"
