from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, log_loss

import zoo
from training import Dataset, Split
from training.batches import distribute_batches
from training.config import OptimizerConfig
from training.loop import Loop, Totals, synchronise_batch_norm
from training.objectives import make_objectives
from training.optimizers import make_optimizer
from training.strategy import BatchPlan

STRATEGY = tf.distribute.get_strategy()


def make_loop(model: dict[str, Any], optimizer: dict[str, Any] | None = None, steps: int = 1) -> Loop:
    keras.utils.set_random_seed(0)
    config = zoo.ModelConfig.parse(model)
    chosen = make_optimizer(OptimizerConfig.parse(optimizer), steps) if optimizer else None
    return Loop(STRATEGY, zoo.build(config), make_objectives(config), chosen)


def linear_model(**fields: Any) -> dict[str, Any]:
    """One hidden unit that passes its input on: value = (x . w + b) * v + c."""
    return {
        "architecture": "mlp", "input_shape": [2], "units": [1], "activation": "linear", "head": {"kind": "linear"}, **fields
    }  # fmt: skip


def test_training_equals_gradient_descent_by_hand() -> None:
    loop = make_loop(linear_model(regularization={"l2": 0.1}), {"name": "sgd", "learning_rate": 0.05})
    random = np.random.default_rng(1)
    x, y = random.normal(size=(7, 2)).astype("float32"), random.normal(size=7).astype("float32")
    w, b, v, c = (variable.numpy().astype(np.float64) for variable in loop.model.trainable_variables)
    losses, sizes = [], []
    for _ in range(3):  # epochs of batches of 3, 3 and 1, in order
        for start in (0, 3, 6):
            xs, ys = x[start : start + 3].astype(np.float64), y[start : start + 3, None].astype(np.float64)
            hidden = xs @ w + b
            error = hidden @ v + c - ys
            losses.append((error**2).mean() + 0.1 * (w**2).sum() + 0.1 * (v**2).sum())
            sizes.append(len(xs))
            d = 2 * error / len(xs)
            dw, db = xs.T @ (d @ v.T) + 0.2 * w, (d @ v.T).sum(axis=0)
            dv, dc = hidden.T @ d + 0.2 * v, d.sum(axis=0)
            w, b, v, c = w - 0.05 * dw, b - 0.05 * db, v - 0.05 * dv, c - 0.05 * dc
    totals = Totals(loop.names)
    batches = distribute_batches(STRATEGY, Split(x, y), BatchPlan(7, 3))
    loop.train(batches, 4, totals)
    loop.train(batches, 5, totals)
    for got, expected in zip(loop.model.trainable_variables, (w, b, v, c), strict=True):
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert totals.rows == 21
    assert totals.means()["loss"] == pytest.approx(np.average(losses, weights=sizes), rel=1e-5)


@pytest.mark.parametrize("steps_per_call", [1, 4, 100])
def test_metrics_on_an_odd_last_batch_equal_scikit_learn(steps_per_call: int, digits: Dataset) -> None:
    loop = make_loop(
        {
            "architecture": "mlp",
            "input_shape": [8, 8, 1],
            "preprocessing": [{"kind": "rescaling", "scale": 0.01}],
            "head": {"kind": "softmax", "units": 10},
        }
    )
    split = digits.split("test").between(0, 101)
    plan = BatchPlan(101, 16)  # six batches of 16, one of 5
    found = loop.evaluate(distribute_batches(STRATEGY, split, plan), plan.steps, steps_per_call)
    probabilities = loop.model(split.inputs)["probabilities"].numpy().astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = split.named_labels()[""]
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, probabilities.argmax(axis=1)), rel=1e-12)
    assert found["loss"] == pytest.approx(log_loss(labels, probabilities, labels=range(10)), rel=1e-4)


def test_training_equals_fit_on_one_device_with_whole_batches(digits: Dataset) -> None:
    model = {
        "architecture": "cnn", "input_shape": [8, 8, 1], "filters": [4], "head": {"kind": "softmax", "units": 10},
        "regularization": {"normalization": "batch", "l2": 0.001},
    }  # fmt: skip
    split = digits.split("train").between(0, 96)
    loop = make_loop(model, {"name": "adam", "clip_norm": 0.5})
    totals = Totals(loop.names)
    loop.train(distribute_batches(STRATEGY, split, BatchPlan(96, 32)), 6, totals)

    keras.utils.set_random_seed(0)
    peer = zoo.build(zoo.ModelConfig.parse(model))
    peer.compile(keras.optimizers.Adam(global_clipnorm=0.5), "sparse_categorical_crossentropy")
    history = peer.fit(split.inputs, split.named_labels()[""], batch_size=32, epochs=2, shuffle=False, verbose=0)
    for got, expected in zip(loop.model.variables, peer.variables, strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5, err_msg=expected.path)
    assert totals.means()["loss"] == pytest.approx(np.mean(history.history["loss"]), rel=1e-4)


def test_the_model_still_answers_probabilities(digits: Dataset) -> None:
    loop = make_loop(
        {"architecture": "mlp", "input_shape": [8, 8, 1], "head": {"kind": "softmax", "units": 10}}, {"name": "sgd"}
    )
    answers = loop.model(digits.split("test").inputs[:5])["probabilities"].numpy()
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-6)


def test_a_weight_that_the_loss_does_not_see_stays() -> None:
    model = {"architecture": "mlp", "input_shape": [2], "heads": {"a": {"kind": "linear"}, "b": {"kind": "linear"}}}
    config = zoo.ModelConfig.parse(model)
    keras.utils.set_random_seed(0)
    built = zoo.build(config)
    loop = Loop(STRATEGY, built, make_objectives(config)[:1], make_optimizer(OptimizerConfig(), 1))
    unseen = built.get_layer("b_features_to_value").kernel
    before = unseen.numpy()
    rows = Split(np.ones((4, 2), "float32"), {"a": np.ones(4), "b": np.ones(4)})
    loop.train(distribute_batches(STRATEGY, rows, BatchPlan(4, 4)), 2, Totals(loop.names))
    np.testing.assert_array_equal(unseen.numpy(), before)


def test_batch_norm_is_synchronised_wherever_it_is() -> None:
    inner = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    outer = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    synchronise_batch_norm(outer)
    assert inner.layers[0].synchronized


def test_totals_are_kept_in_float64() -> None:
    totals = Totals(("loss",))
    totals.add(tf.constant([2.0**24, 1.0]))
    totals.add(tf.constant([1.0, 2.0]))
    assert totals.rows == 2**24 + 1
    assert totals.means() == {"loss": 3 / (2**24 + 1)}
