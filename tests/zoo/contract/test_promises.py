"""A promise that is broken is told: each of these architectures breaks one on purpose."""

import json
from collections.abc import Callable
from typing import Any

import pytest

BROKEN = '''
import itertools
import json
import sys
from typing import Literal

import keras
import tensorflow as tf
from keras import ops

from zoo.config import ModelConfig
from zoo.contract import check
from zoo.registry import example_config, register

numbers = itertools.count(1)
package = keras.saving.register_keras_serializable("broken")


@package
class Drift(keras.layers.Layer):
    """Adds more at every call in training."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.count.assign_add(1.0)
        return x * (1 + 100 * self.count)


@package
class OnTheHost(keras.layers.Layer):
    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda a: a, [x], x.dtype), x.shape)

    def compute_output_shape(self, shape):
        return shape


@package
class Counting(keras.layers.Layer):
    calls = 0

    def call(self, x):
        Counting.calls += 1
        return x * Counting.calls


@package
class Exploding(keras.layers.Layer):
    def call(self, x):
        return ops.exp(x)


@package
class Huge(keras.layers.Layer):
    def call(self, x):
        return x * 1e6


@package
class Beside(keras.layers.Layer):
    """Makes a row depend on those beside it."""

    def call(self, x):
        return x - ops.mean(x, axis=0, keepdims=True)


def dense(**options):
    return keras.layers.Dense(4, **options)


BACKBONES = {
    "sequence": lambda x: keras.layers.Reshape((2, 2))(dense()(x)),
    "huge": lambda x: Huge()(dense()(x)),
    "exploding": lambda x: Exploding()(dense()(x)),
    "unseeded": lambda x: dense(kernel_initializer=keras.initializers.Constant(next(numbers)))(x),
    "lambda": lambda x: keras.layers.Lambda(lambda y: y * 2)(dense()(x)),
    "beside": lambda x: Beside()(dense()(x)),
    "drift": lambda x: Drift()(dense()(x)),
    "host": lambda x: OnTheHost()(dense()(x)),
    "counting": lambda x: Counting()(dense()(x)),
    "raising": lambda x: 1 / 0,
}

for name, backbone in BACKBONES.items():
    fields = {"__annotations__": {"architecture": Literal[name]}, "__module__": __name__}
    config = type(f"{name.title()}Config", (ModelConfig,), fields)
    register(name, config, example={"input_shape": (3,), "head": {"kind": "softmax", "units": 3}})(
        lambda x, config, backbone=backbone: backbone(x)
    )

wanted = json.loads(sys.argv[1])
found = {}
for name in ["mlp", *BACKBONES]:
    found[name] = {}
    for one in check(example_config(name)):  # makes one check after the other
        found[name][one.name] = one.faults
        if one.name.startswith(wanted.get(name, "all of them")):
            break
print(json.dumps(found))
'''


BROKEN_PROMISES = [
    ("sequence", "Inputs and outputs have the promised names", "outputs are {'probabilities': (5, 2, 3)}"),
    ("huge", "Outputs are finite float32 numbers", "mixed_float16: probabilities is not finite"),
    ("exploding", "The probabilities of one class of several sum to 1", "at scale 1000"),
    ("unseeded", "The config that its YAML gives back", "weight 0 differs under the same seed"),
    ("lambda", "Saved as `.keras` and loaded", "ArtifactError"),
    ("beside", "A row's answer does not depend on the rows beside it", "probabilities"),
    ("drift", "One step of Adam on a toy batch lowers the loss", "the loss went from"),
    ("host", "The gradients of a training step compile under XLA", "XLA refuses it"),
    ("counting", "Exported and loaded again by TensorFlow", ""),
    ("raising", "Inputs and outputs have the promised names", "ZeroDivisionError: division by zero"),
]


@pytest.fixture(scope="module")
def found(run_python: Callable[..., Any]) -> dict[str, dict[str, list[str]]]:
    run = run_python(BROKEN, json.dumps({architecture: promise for architecture, promise, _ in BROKEN_PROMISES}))
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_every_promise_is_kept_by_a_sound_architecture(found: dict[str, dict[str, list[str]]]) -> None:
    assert len(found["mlp"]) == 9
    assert all(faults == [] for faults in found["mlp"].values())


@pytest.mark.parametrize(("architecture", "promise", "fault"), BROKEN_PROMISES)
def test_a_broken_promise_is_told(
    found: dict[str, dict[str, list[str]]], architecture: str, promise: str, fault: str
) -> None:
    (faults,) = [faults for name, faults in found[architecture].items() if name.startswith(promise)]

    assert any(fault in told for told in faults), faults
