"""Numbers against NumPy, and networks that do vanish, explode and die."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from training import Split, TrainConfig
from training.diagnosis import Judge
from training.diagnostics import Diagnostics
from training.loop import Loop
from training.objectives import make_objectives
from training.optimizers import make_optimizer

RANDOM = np.random.default_rng(0)
ROWS = Split(RANDOM.normal(size=(40, 6)).astype("float32"), RANDOM.integers(0, 3, 40))


def make_loop(**model: Any) -> Loop:
    keras.utils.set_random_seed(1)
    plain = {"architecture": "mlp", "input_shape": [6], "head": {"kind": "softmax", "units": 3}, **model}
    config = TrainConfig.parse({"name": "m", "data": {"name": "m"}, "model": plain})
    optimizer = make_optimizer(config.optimizer, steps=10, steps_per_epoch=10)
    return Loop(tf.distribute.get_strategy(), zoo.build(config.model), make_objectives(config), optimizer)


def test_norms_are_those_of_a_hand_computed_gradient() -> None:
    loop = make_loop(units=[4])
    kernel_1, bias_1, kernel_2, bias_2 = (weight.numpy().astype(float) for weight in loop.model.trainable_variables)
    rows = ROWS.between(0, 16)
    hidden = np.maximum(rows.inputs @ kernel_1 + bias_1, 0)
    logits = hidden @ kernel_2 + bias_2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    by_logits = (chances - np.eye(3)[rows.labels]) / 16
    by_hidden = (by_logits @ kernel_2.T) * (hidden > 0)
    found = Diagnostics(loop, ROWS, rows=16).diagnose()
    assert found is not None
    assert found.rows == 16
    logits_norm = np.hypot(np.linalg.norm(hidden.T @ by_logits), np.linalg.norm(by_logits.sum(0)))
    dense_norm = np.hypot(np.linalg.norm(rows.inputs.T @ by_hidden), np.linalg.norm(by_hidden.sum(0)))
    assert found.layers["logits"].gradient == pytest.approx(logits_norm, rel=1e-5)
    assert found.layers["dense_1"].gradient == pytest.approx(dense_norm, rel=1e-5)
    assert found.gradient == pytest.approx(np.hypot(logits_norm, dense_norm), rel=1e-5)
    assert found.layers["dense_1"].weight == pytest.approx(np.linalg.norm(kernel_1), rel=1e-5)
    assert found.kernels["dense_1/kernel"][0] == pytest.approx(np.linalg.norm(rows.inputs.T @ by_hidden), rel=1e-5)
    assert found.layers["dense_1"].change is None, "there is nothing to compare with yet"


def test_change_is_in_parts_of_the_weights() -> None:
    loop = make_loop(units=[4])
    diagnostics = Diagnostics(loop, ROWS)
    diagnostics.diagnose()
    before = [weight.numpy() for weight in loop.model.trainable_variables[:2]]
    for weight in loop.model.trainable_variables:
        weight.assign_add(tf.ones_like(weight.value) * 0.5)
    found = diagnostics.diagnose()
    assert found is not None
    numbers = sum(weight.size for weight in before)
    norm = np.sqrt(sum(np.sum((weight + 0.5) ** 2) for weight in before))
    assert found.layers["dense_1"].change == pytest.approx(0.5 * np.sqrt(numbers) / norm, rel=1e-5)


def test_dead_units_are_those_that_no_row_wakes() -> None:
    loop = make_loop(units=[4])
    loop.model.get_layer("dense_1").bias.assign([-1e6, 0.0, 1e6, -1e6])
    found = Diagnostics(loop, ROWS).diagnose()
    assert found is not None
    assert found.layers["dense_1_activation"].dead == 0.5


def test_dead_units_of_layers_within_layers_are_found() -> None:
    loop = make_loop(
        architecture="transformer", input_shape=[5, 4], num_layers=2, num_heads=1, hidden_dim=8, activation="relu"
    )
    rows = Split(RANDOM.normal(size=(20, 5, 4)).astype("float32"), RANDOM.integers(0, 3, 20))
    found = Diagnostics(loop, rows).diagnose()
    assert found is not None
    assert len([layer for layer in found.layers.values() if layer.dead is not None]) == 2


def test_looking_changes_nothing_of_the_model() -> None:
    loop = make_loop(units=[8], regularization={"normalization": "batch", "dropout": 0.5})
    before = [variable.numpy().copy() for variable in loop.model.variables]
    Diagnostics(loop, ROWS).diagnose()
    for old, variable in zip(before, loop.model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy(), err_msg=variable.path)
    assert "call" not in vars(loop.model.get_layer("dense_1_activation"))


def test_a_deep_network_of_sigmoids_vanishes_and_one_of_relus_does_not() -> None:
    for activation, told in (("sigmoid", True), ("relu", False)):
        found = Diagnostics(make_loop(units=[16] * 10, activation=activation), ROWS).diagnose()
        assert found is not None
        texts = Judge().judge(found)
        assert [text.startswith("gradients vanish: ") for text in texts] == [True] * told


def test_weights_that_begin_too_large_explode() -> None:
    wild = {"kind": "variance_scaling", "scale": 30.0}
    found = Diagnostics(make_loop(units=[16] * 8, activation="linear", kernel_initializer=wild), ROWS).diagnose()
    assert found is not None
    [text] = Judge().judge(found, rate=0.01, started=False)
    assert text.startswith("gradients explode: a step at the learning rate 0.01")
    assert Judge().judge(found, rate=None, started=False) == (), "steps of Adam do not grow with the gradient"


def test_layers_that_died_are_told_of() -> None:
    loop = make_loop(units=[8, 8])
    loop.model.get_layer("dense_1").bias.assign([-1e6] * 8)
    found = Diagnostics(loop, ROWS).diagnose()
    assert found is not None
    assert any("100% of the units of dense_1_activation are dead" in text for text in Judge().judge(found))


def test_later_diagnoses_keep_to_a_hundredth_of_the_time() -> None:
    diagnostics = Diagnostics(make_loop(units=[4]), ROWS)
    for _ in range(3):
        assert diagnostics.affordable(0.0), "the first ones are made whatever they cost"
        diagnostics.diagnose()
    assert not diagnostics.affordable(0.0)
    assert diagnostics.affordable(1e6)


def test_a_model_that_cannot_be_looked_at_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    diagnostics = Diagnostics(make_loop(units=[4]), Split(np.zeros((4, 99), "float32"), np.zeros(4, int)))
    assert diagnostics.diagnose() is None
    assert diagnostics.diagnose() is None
    assert len(caplog.records) == 1
    assert "gradients cannot be diagnosed" in caplog.text


def test_it_is_the_same_on_mirrored_replicas(run_python: Any) -> None:
    source = """
import numpy as np, training, json, tempfile
from training import Dataset, Split, TrainConfig
random = np.random.default_rng(0)
rows = Split(random.normal(size=(64, 6)).astype("float32"), random.integers(0, 3, 64))
def run(strategy):
    config = TrainConfig.parse({"name": "m", "data": {"name": "m"}, "strategy": strategy,
        "train": {"epochs": 2, "batch_size": 16}, "model": {"architecture": "mlp", "input_shape": [6], "units": [8],
                  "head": {"kind": "softmax", "units": 3}, "regularization": {"normalization": "batch"}}})
    done = training.train(config, data=Dataset("m", {"train": rows, "validation": rows}), runs=tempfile.mkdtemp())
    return [record["diagnosis"] for record in done.history]
several, one = run("mirrored"), run("one_device")
for a, b in zip(several, one, strict=True):
    for name in a["layers"]:
        for key, value in a["layers"][name].items():
            other = b["layers"][name][key]
            assert (value is None) == (other is None), (name, key)
            assert value is None or abs(value - other) <= 1e-4 * abs(other) + 1e-6, (name, key)
print("same", len(several))
"""
    done = run_python(source)
    assert done.stdout.splitlines()[-1:] == ["same 2"], done.stderr[-2000:]
