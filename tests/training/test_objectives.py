from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error

from training import Dataset, Split
from training.objectives import Objective, check_data, is_better, make_objectives, measure, metric_names
from zoo import ModelConfig
from zoo.errors import ConfigError

RANDOM = np.random.default_rng(0)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def model_config(**heads: Any) -> ModelConfig:
    return ModelConfig.parse({"architecture": "mlp", "input_shape": [2], **heads})


def test_softmax_loss_and_accuracy_equal_scikit_learn() -> None:
    logits = RANDOM.normal(size=(50, 4)).astype("float32")
    labels = RANDOM.integers(4, size=50)
    objective = Objective("", "softmax", "probabilities")
    losses = objective.losses(tf.constant(labels), tf.constant(logits)).numpy()
    assert losses.mean() == pytest.approx(log_loss(labels, softmax(logits)), rel=1e-6)
    right = objective.measures(tf.constant(labels), tf.constant(logits))["accuracy"].numpy()
    assert right.mean() == pytest.approx(accuracy_score(labels, logits.argmax(axis=1)))


@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_sigmoid_loss_and_accuracy_equal_scikit_learn(shape: tuple[int, ...]) -> None:
    logits = RANDOM.normal(size=(50, 1)).astype("float32")
    labels = RANDOM.integers(2, size=50)
    probabilities = 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))
    objective = Objective("", "sigmoid", "probabilities")
    losses = objective.losses(tf.constant(labels.reshape(shape)), tf.constant(logits)).numpy()
    assert losses.mean() == pytest.approx(log_loss(labels, probabilities), rel=1e-6)
    right = objective.measures(tf.constant(labels.reshape(shape)), tf.constant(logits))["accuracy"].numpy()
    assert right.mean() == pytest.approx(accuracy_score(labels, probabilities >= 0.5))


def test_linear_loss_and_metrics_equal_scikit_learn() -> None:
    values, labels = RANDOM.normal(size=(50, 3)).astype("float32"), RANDOM.normal(size=(50, 3))
    objective = Objective("", "linear", "value")
    losses = objective.losses(tf.constant(labels), tf.constant(values)).numpy()
    assert losses.shape == (50,)
    assert losses.mean() == pytest.approx(mean_squared_error(labels, values), rel=1e-6)
    found = objective.measures(tf.constant(labels), tf.constant(values))
    assert found["mae"].numpy().mean() == pytest.approx(mean_absolute_error(labels, values), rel=1e-6)
    assert found["mse"].numpy().mean() == pytest.approx(mean_squared_error(labels, values), rel=1e-6)


@pytest.mark.parametrize(("kind", "logits", "expected"), [("softmax", [[1e4, -1e4]], 2e4), ("sigmoid", [[-1e4]], 1e4)])
def test_the_loss_of_a_sure_and_wrong_answer_is_finite(kind: str, logits: list[list[float]], expected: float) -> None:
    # In float32 its probability is 0, and -log(0) would be inf.
    losses = Objective("", kind, "probabilities").losses(tf.constant([1]), tf.constant(logits))
    assert losses.numpy().tolist() == [expected]


def test_no_rows_sum_to_nothing() -> None:
    for kind in ("softmax", "sigmoid", "linear"):
        losses = Objective("", kind, "x").losses(tf.zeros([0], tf.int64), tf.zeros([0, 1]))
        assert tf.reduce_sum(losses).numpy() == 0


def test_losses_of_several_heads_add_up() -> None:
    config = model_config(heads={"kind": {"kind": "softmax", "units": 2}, "size": {"kind": "linear"}})
    objectives = make_objectives(config)
    assert metric_names(objectives) == ("loss", "kind_loss", "kind_accuracy", "size_loss", "size_mae", "size_mse")
    labels = {"kind": tf.constant([0, 1]), "size": tf.constant([1.0, 2.0])}
    outputs = {"kind_probabilities": tf.zeros([2, 2]), "size_value": tf.constant([[3.0], [2.0]])}
    found = measure(objectives, labels, outputs)
    assert tuple(found) == metric_names(objectives)
    np.testing.assert_allclose(found["loss"], [np.log(2) + 4, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(found["size_loss"], [4, 0])


@pytest.mark.parametrize(
    ("metric", "new", "old", "better"),
    [
        ("loss", 1.0, 2.0, True),
        ("loss", 2.0, 2.0, False),
        ("size_mae", 1.0, 2.0, True),
        ("accuracy", 0.9, 0.8, True),
        ("kind_accuracy", 0.7, 0.8, False),
        ("loss", float("nan"), 2.0, False),
        ("loss", 2.0, float("nan"), True),
        ("loss", float("nan"), None, True),
        ("accuracy", 0.0, None, True),
    ],
)
def test_what_is_better(metric: str, new: float, old: float | None, better: bool) -> None:  # noqa: FBT001
    assert is_better(metric, new, old) is better


@pytest.mark.parametrize(
    ("inputs", "labels", "head", "message"),
    [
        (np.zeros((3, 5)), np.zeros(3), {"head": {"kind": "linear"}}, r"input_shape is \[2\], .* shape \[5\]"),
        (np.zeros((3, 2)), np.array([0, 1, 3]), {"head": {"kind": "softmax", "units": 3}}, "set units to 4"),
        (np.zeros((3, 2)), np.array([0, -1, 2]), {"head": {"kind": "softmax", "units": 3}}, r"classes -1\.\.2"),
        (np.zeros((3, 2)), np.zeros((3, 4)), {"head": {"kind": "softmax", "units": 4}}, "expected one class number"),
        (np.zeros((3, 2)), np.array([0, 1, 2]), {"head": {"kind": "sigmoid"}}, r"labels 0\.\.2, expected 0\.\.1"),
        (np.zeros((3, 2)), np.zeros((3, 2)), {"head": {"kind": "linear", "units": 3}}, r"labels of shape \[2\]"),
        (
            np.zeros((3, 2)),
            np.zeros(3),
            {"heads": {"a": {"kind": "linear"}}},
            "one unnamed head, the model has heads a",
        ),
        (np.zeros((0, 2)), np.zeros(0), {"head": {"kind": "linear"}}, "made up/train has no rows"),
        (
            np.array([[0, 0], [0, np.inf], [np.nan, 0]]),
            np.zeros(3),
            {"head": {"kind": "linear"}},
            "the inputs of made up/train hold NaN or infinity in 2 of 3 rows, first in row 1",
        ),
        (
            np.zeros((3, 2)),
            np.array([0, 1, np.nan]),
            {"head": {"kind": "softmax", "units": 2}},
            "the labels of made up/train hold NaN or infinity in 1 of 3 rows, first in row 2",
        ),
        (
            np.full((3, 2), "a"),
            np.zeros(3),
            {"head": {"kind": "linear"}},
            "inputs of .* are of dtype <U1, expected num",
        ),
        (np.zeros((3, 2), object), np.zeros(3), {"head": {"kind": "linear"}}, "are of dtype object, expected numbers"),
        (np.zeros((3, 2)), np.array(["a", "b", "c"]), {"head": {"kind": "sigmoid"}}, "labels of .* are of dtype <U1"),
        (np.zeros((3, 2)), np.zeros(3, object), {"head": {"kind": "sigmoid"}}, "labels of .* are of dtype object"),
        ([[0, 0]], np.zeros(1), {"head": {"kind": "linear"}}, "inputs of .* are a list, expected a NumPy array"),
        (
            np.zeros((3, 2)),
            np.array([0, 0.75, 1]),
            {"head": {"kind": "softmax", "units": 2}},
            r"has 1 fractions for class labels, such as 0\.75: expected 0\.\.1",
        ),
        (
            np.zeros((3, 2)),
            np.zeros((3, 0)),
            {"head": {"kind": "linear"}},
            r"labels of shape \[0\] each, expected \[1\]",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused(
    inputs: np.ndarray, labels: np.ndarray, head: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_data(Dataset("made up", {"train": Split(inputs, labels)}), model_config(**head))


def test_class_numbers_may_be_floats_and_inputs_of_any_number_type() -> None:
    labels = np.array([0.0, 1.0, 1.0])
    for dtype in ("uint8", "bool", "float16", "bfloat16"):
        data = Dataset("made up", {"train": Split(np.zeros((3, 2), dtype), labels)})
        check_data(data, model_config(head={"kind": "softmax", "units": 2}))
