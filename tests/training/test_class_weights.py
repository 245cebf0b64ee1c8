from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from training import Dataset, Split, TrainConfig
from training.class_weights import make_class_weights
from training.objectives import make_objectives
from zoo.errors import ConfigError

LABELS = np.array([0, 0, 0, 1, 2, 2])


def config_of(chosen: Any, head: dict[str, Any], **fields: Any) -> TrainConfig:
    return TrainConfig.parse(
        {
            "name": "made_up",
            "data": {"name": "made_up"},
            "model": {"architecture": "mlp", "input_shape": [1], "head": head},
            "train": {"class_weights": chosen},
            **fields,
        }
    )


def weights(chosen: Any, head: dict[str, Any], labels: np.ndarray = LABELS, **fields: Any) -> Any:
    config = config_of(chosen, head, **fields)
    return make_class_weights(config, Dataset("made_up", {"train": Split(np.zeros((len(labels), 1)), labels)}))


SOFTMAX = {"kind": "softmax", "units": 3}


def test_balanced_weights_equal_scikit_learn() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(weights("balanced", SOFTMAX)[""], expected)
    binary = np.array([0, 1, 1, 1])
    np.testing.assert_allclose(
        weights("balanced", {"kind": "sigmoid"}, binary)[""],
        compute_class_weight("balanced", classes=np.arange(2), y=binary),
    )


def test_given_weights_are_taken_and_none_are_none() -> None:
    assert weights([1.0, 2.0, 0.5], SOFTMAX) == {"": (1.0, 2.0, 0.5)}
    assert weights(None, SOFTMAX) == {}


@pytest.mark.parametrize(
    ("chosen", "head", "message"),
    [
        ([1.0], SOFTMAX, "expected 3, one for each class, got 1"),
        ("balanced", {"kind": "softmax", "units": 4}, "no row of class 3"),
        ("balanced", {"kind": "linear"}, "a linear head with 1 units does not choose one class"),
    ],
)
def test_weights_that_do_not_fit_are_refused(chosen: Any, head: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        weights(chosen, head)


def test_probabilities_count_for_their_likeliest_class() -> None:
    spread = np.eye(3)[LABELS] * 0.8 + 0.2 / 3
    assert weights("balanced", SOFTMAX, spread, loss="categorical_crossentropy") == weights("balanced", SOFTMAX)


def test_a_certain_probability_is_weighed_as_its_class_number() -> None:
    outputs = tf.constant(np.random.default_rng(0).normal(size=(6, 3)).astype("float32"))
    given = {"": (1.0, 2.0, 0.5)}

    found = []
    for loss, labels in (("sparse_categorical_crossentropy", LABELS), ("categorical_crossentropy", np.eye(3)[LABELS])):
        (objective,) = make_objectives(config_of(None, SOFTMAX, loss=loss), given)
        total, metrics = objective.sums(tf.constant(labels), outputs, tf.ones(6))
        found.append((float(total), [sums.numpy().tolist() for sums in metrics]))

    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert found[0][1] == found[1][1]
