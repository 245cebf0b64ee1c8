import json
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from zoo.layers.step_normalization import StepBatchNormalization, StepGroupNormalization, StepRMSNormalization

STEPS = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


def test_groups_of_channels_are_normalized_at_each_step() -> None:
    groups = STEPS.reshape(3, 5, 2, 2).astype("float64")
    deviations = np.sqrt(groups.var(axis=-1, keepdims=True) + 1e-3)

    expected = ((groups - groups.mean(axis=-1, keepdims=True)) / deviations).reshape(STEPS.shape)
    np.testing.assert_allclose(StepGroupNormalization(2)(STEPS), expected, atol=1e-5)


def test_groups_of_channels_of_a_single_vector_are_normalized_as_keras_does() -> None:
    np.testing.assert_array_equal(
        StepGroupNormalization(2)(STEPS[:, 0]), keras.layers.GroupNormalization(2)(STEPS[:, 0])
    )


def test_a_mask_is_handed_on_without_a_warning() -> None:
    inputs = keras.Input((5, 4), name="inputs")
    masked = keras.layers.Masking()(inputs)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keras.Model(inputs, keras.layers.LSTM(2)(StepRMSNormalization()(masked)))


@pytest.mark.parametrize("synchronized", [False, True])
def test_padding_has_no_part_in_the_statistics_of_a_batch(*, synchronized: bool) -> None:
    layer = StepBatchNormalization(momentum=0.0, synchronized=synchronized)
    mask = np.random.default_rng(1).random((3, 5)) < 0.5

    layer(np.where(mask[:, :, None], STEPS, 1e6).astype("float32"), training=True, mask=mask)

    np.testing.assert_allclose(layer.moving_mean, STEPS[mask].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, STEPS[mask].var(axis=0), atol=1e-5)


TWO_REPLICAS = """
import json

import numpy as np
import tensorflow as tf

devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(devices[0], [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

from zoo.layers.step_normalization import StepBatchNormalization

random = np.random.default_rng(0)
x, mask = random.normal(size=(6, 5, 4)).astype("float32"), random.random((6, 5)) < 0.5
with strategy.scope():
    layer = StepBatchNormalization(momentum=0.0, synchronized=True)
    layer.build((None, None, 4))
half = lambda context: 3 * context.replica_id_in_sync_group
rows = strategy.experimental_distribute_values_from_function(lambda c: tf.constant(x[half(c):half(c) + 3]))
masks = strategy.experimental_distribute_values_from_function(lambda c: tf.constant(mask[half(c):half(c) + 3]))
strategy.run(tf.function(lambda r, m: layer(r, training=True, mask=m)), (rows, masks))
found = {"mean": layer.moving_mean.value, "variance": layer.moving_variance.value}
expected = {"mean": x[mask].mean(axis=0), "variance": x[mask].var(axis=0)}
print(json.dumps({name: float(np.abs(found[name].numpy() - expected[name]).max()) for name in found}))
"""


@pytest.mark.slow
def test_masked_statistics_are_those_of_the_global_batch(run_python: Callable[..., Any]) -> None:
    run = run_python(TWO_REPLICAS)

    assert run.returncode == 0, run.stderr
    assert max(json.loads(run.stdout.splitlines()[-1]).values()) < 1e-5
