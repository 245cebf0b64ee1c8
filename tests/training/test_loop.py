from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, log_loss

import zoo
from training import Dataset, Split, TrainConfig
from training.batches import distribute_batches
from training.config import OptimizerConfig
from training.loop import Loop, synchronise_batch_norm
from training.objectives import Totals, make_objectives
from training.optimizers import make_optimizer
from training.strategy import BatchPlan
from zoo.errors import ConfigError

STRATEGY = tf.distribute.get_strategy()


def recipe_of(model: dict[str, Any], **sections: Any) -> TrainConfig:
    return TrainConfig.parse({"name": "made_up", "data": {"name": "made_up"}, "model": model, **sections})


def make_loop(model: dict[str, Any], optimizer: dict[str, Any] | None = None, **options: Any) -> Loop:
    keras.utils.set_random_seed(0)
    config = recipe_of(model)
    chosen = None
    if optimizer:
        chosen = make_optimizer(OptimizerConfig.parse(optimizer), steps=1, steps_per_epoch=1)
    return Loop(STRATEGY, zoo.build(config.model), make_objectives(config), chosen, **options)


def train(loop: Loop, split: Split, plan: BatchPlan, *calls: int) -> Totals:
    """Take so many steps in each call, over rows in order."""
    batches, totals = distribute_batches(STRATEGY, split, plan), Totals(loop.ledger)
    for steps in calls:
        sums, stop = loop.train(batches, steps)
        assert not stop
        totals.add(sums)
    return totals


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
    totals = train(loop, Split(x, y), BatchPlan(7, 3), 4, 5)
    for got, expected in zip(loop.model.trainable_variables, (w, b, v, c), strict=True):
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert totals.rows == 21
    assert totals.values()["loss"] == pytest.approx(np.average(losses, weights=sizes), rel=1e-5)


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
    loop = make_loop(model, {"name": "adam", "global_clipnorm": 0.5})
    totals = train(loop, split, BatchPlan(96, 32), 6)

    keras.utils.set_random_seed(0)
    peer = zoo.build(zoo.ModelConfig.parse(model))
    peer.compile(keras.optimizers.Adam(global_clipnorm=0.5), "sparse_categorical_crossentropy")
    history = peer.fit(split.inputs, split.named_labels()[""], batch_size=32, epochs=2, shuffle=False, verbose=0)
    for got, expected in zip(loop.model.variables, peer.variables, strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5, err_msg=expected.path)
    assert totals.values()["loss"] == pytest.approx(np.mean(history.history["loss"]), rel=1e-4)


def test_the_model_still_answers_probabilities(digits: Dataset) -> None:
    loop = make_loop(
        {"architecture": "mlp", "input_shape": [8, 8, 1], "head": {"kind": "softmax", "units": 10}}, {"name": "sgd"}
    )
    answers = loop.model(digits.split("test").inputs[:5])["probabilities"].numpy()
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-6)


def test_a_weight_that_the_loss_does_not_see_stays() -> None:
    model = {"architecture": "mlp", "input_shape": [2], "heads": {"a": {"kind": "linear"}, "b": {"kind": "linear"}}}
    config = recipe_of(model)
    keras.utils.set_random_seed(0)
    built = zoo.build(config.model)
    optimizer = make_optimizer(OptimizerConfig(), steps=1, steps_per_epoch=1)
    loop = Loop(STRATEGY, built, make_objectives(config)[:1], optimizer)
    unseen = built.get_layer("b_features_to_value").kernel
    before = unseen.numpy()
    rows = Split(np.ones((4, 2), "float32"), {"a": np.ones(4), "b": np.ones(4)})
    train(loop, rows, BatchPlan(4, 4), 2)
    np.testing.assert_array_equal(unseen.numpy(), before)


def test_batch_norm_is_synchronised_wherever_it_is() -> None:
    inner = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    outer = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    synchronise_batch_norm(outer)
    assert inner.layers[0].synchronized


def weights_after(loop: Loop, split: Split, plan: BatchPlan, steps: int) -> list[np.ndarray]:
    train(loop, split, plan, steps)
    return [variable.numpy() for variable in loop.model.trainable_variables]


@pytest.mark.parametrize("pieces", [2, 3])
def test_accumulated_gradients_are_those_of_the_whole_batch(digits: Dataset, pieces: int) -> None:
    model = {"architecture": "mlp", "input_shape": [8, 8, 1], "units": [4], "head": {"kind": "softmax", "units": 10}}
    split, sgd = digits.split("train").between(0, 50), {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9}
    whole = weights_after(make_loop(model, sgd), split, BatchPlan(50, 16), 8)
    cut = weights_after(make_loop(model, sgd, accumulation=pieces), split, BatchPlan(50, 16), 8)
    for got, expected in zip(cut, whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_compiled_step_is_the_same_step(digits: Dataset) -> None:
    model = {"architecture": "mlp", "input_shape": [8, 8, 1], "units": [4], "head": {"kind": "softmax", "units": 10}}
    split, sgd = digits.split("train").between(0, 50), {"name": "sgd", "learning_rate": 0.01}
    plain = weights_after(make_loop(model, sgd), split, BatchPlan(50, 16), 4)
    compiled = weights_after(make_loop(model, sgd, jit=True), split, BatchPlan(50, 16), 4)
    for got, expected in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_text_cannot_be_compiled() -> None:
    model = {
        "architecture": "gru", "input_shape": [], "vocabulary_size": 9, "units": [2], "head": {"kind": "sigmoid"},
        "preprocessing": [{"kind": "tokens", "length": 4, "vocabulary_size": 9}],
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"train\.jit: XLA computes numbers"):
        make_loop(model, {"name": "sgd"}, jit=True)


def test_rows_count_as_often_as_their_weight() -> None:
    """A row of weight 2 and one of weight 0 are two rows and none; the mean is over rows that count."""
    sgd = {"name": "sgd", "learning_rate": 0.05}
    x, y = np.array([[1.0, 2.0], [3.0, -1.0], [9.0, 9.0]], np.float32), np.array([1.0, -2.0, 5.0], np.float32)
    weighted = make_loop(linear_model(), sgd)
    totals = train(weighted, Split(x, y, weights=np.array([2.0, 1.0, 0.0])), BatchPlan(3, 3), 1)
    w, b, v, c = (a.numpy() for a in make_loop(linear_model(), sgd).model.trainable_variables)
    error = (x @ w + b) @ v + c - y[:, None]
    expected = (2 * error[0, 0] ** 2 + error[1, 0] ** 2) / 2
    assert totals.values()["loss"] == pytest.approx(expected, rel=1e-5)
    gradient = (2 * 2 * error[0, 0] + 2 * error[1, 0]) / 2
    np.testing.assert_allclose(weighted.model.trainable_variables[3].numpy(), c - 0.05 * gradient, rtol=1e-5)


def test_the_average_follows_the_weights() -> None:
    loop = make_loop(linear_model(), {"name": "sgd", "learning_rate": 0.05}, ema=0.75)
    split = Split(np.ones((4, 2), np.float32), np.ones(4, np.float32))
    average = [variable.numpy() for variable in loop.model.trainable_variables]
    for _ in range(3):
        train(loop, split, BatchPlan(4, 4), 1)
        weights = [variable.numpy() for variable in loop.model.trainable_variables]
        average = [0.75 * a + 0.25 * w for a, w in zip(average, weights, strict=True)]
    assert loop.average
    with loop.average.in_place():
        for got, expected in zip(loop.model.trainable_variables, average, strict=True):
            np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6)
    for got, expected in zip(loop.model.trainable_variables, weights, strict=True):
        np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize("stop", [False, True])
def test_a_wish_to_stop_comes_back_with_the_steps(*, stop: bool) -> None:
    loop = make_loop(linear_model(), {"name": "sgd"})
    rows = Split(np.ones((4, 2), np.float32), np.ones(4, np.float32))
    _, stopped = loop.train(distribute_batches(STRATEGY, rows, BatchPlan(4, 4)), 2, stop=stop)
    assert stopped is stop
