"""Every optimizer of Keras takes the step it is told to, whatever it counted itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.asynchronous.counter import apply_at
from training.config import OptimizerConfig
from training.optimizers import make_optimizer, optimizer_classes

STEPS = 3


def made(name: str) -> tuple[keras.Optimizer, list[keras.Variable]]:
    random = np.random.default_rng(5)
    variables = [keras.Variable(random.normal(size=shape).astype("float32")) for shape in ((3, 2), (2,))]
    config = OptimizerConfig.parse(
        {"name": name, "learning_rate": 0.1, "weight_decay": 0.01, "schedule": {"kind": "cosine", "warmup_epochs": 1}}
    )
    optimizer = make_optimizer(config, steps=10, steps_per_epoch=2)
    optimizer.build(variables)
    return optimizer, variables


@pytest.mark.parametrize("name", optimizer_classes())
def test_steps_by_number_are_the_optimizers_own(name: str) -> None:
    (mine, my_variables), (own, own_variables) = made(name), made(name)
    random = np.random.default_rng(6)

    @tf.function(autograph=False)
    def take(step: tf.Tensor, gradients: list[tf.Tensor]) -> None:
        apply_at(mine, step, gradients, my_variables)

    for step in range(STEPS):
        gradients = [tf.constant(random.normal(size=v.shape), tf.float32) for v in own_variables]
        own.apply(gradients, own_variables)
        take(tf.constant(step, tf.int64), gradients)
    assert int(mine.iterations.numpy()) == 0, "it counts nothing itself"
    assert int(own.iterations.numpy()) == STEPS
    for found, expected in zip([*my_variables, *mine.variables[1:]], [*own_variables, *own.variables[1:]], strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6, atol=1e-7)
