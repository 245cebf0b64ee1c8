from typing import Any

import numpy as np
import pytest

from training import Dataset, Split
from training.compatibility import check_data
from training.config import LossConfig
from zoo import ModelConfig
from zoo.errors import ConfigError


def model_config(**heads: Any) -> ModelConfig:
    return ModelConfig.parse({"architecture": "mlp", "input_shape": [2], **heads})


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


def test_inputs_go_by_the_names_of_the_model() -> None:
    split = Split({"inputs": np.zeros((3, 2)), "more": np.zeros(3)}, np.zeros(3))

    with pytest.raises(ConfigError, match="made up has inputs inputs, more, the model takes inputs"):
        check_data(Dataset("made up", {"train": split}), model_config(head={"kind": "linear"}))


def test_rows_whose_labels_are_padding_alone_are_refused() -> None:
    config = ModelConfig.parse(
        {"architecture": "gpt_tiny", "input_shape": [3], "vocabulary_size": 5, "head": {"kind": "token", "units": 5}}
    )
    split = Split(np.ones((3, 3), int), np.array([[1, 2, 0], [0, 0, 0], [3, 0, 0]]))

    with pytest.raises(ConfigError, match=r"has 1 rows whose labels are padding alone \(0\), first row 1: drop them"):
        check_data(Dataset("made up", {"train": split}), config)


def test_ids_beyond_the_vocabulary_are_refused() -> None:
    config = ModelConfig.parse(
        {"architecture": "lstm", "input_shape": [3], "vocabulary_size": 5, "head": {"kind": "linear"}}
    )
    split = Split(np.array([[1, 2, 7]]), np.zeros(1))

    with pytest.raises(
        ConfigError, match=r"token ids 1\.\.7, but the model knows 0\.\.4: set model.vocabulary_size to 8"
    ):
        check_data(Dataset("made up", {"train": split}), config)


CATEGORICAL = {"": LossConfig(kind="categorical_crossentropy")}
THREE = {"head": {"kind": "softmax", "units": 3}}


def check_spread(labels: Any, losses: Any = CATEGORICAL) -> None:
    split = Split(np.zeros((len(labels), 2)), np.array(labels))
    check_data(Dataset("made up", {"train": split}), model_config(**THREE), losses)


def test_a_probability_for_every_class_suits_categorical_crossentropy() -> None:
    check_spread([[1, 0, 0], [0, 0, 1]])
    check_spread(np.array([[0.2, 0.3, 0.5]], "float16"))


@pytest.mark.parametrize(
    ("labels", "losses", "message"),
    [
        ([0, 2], CATEGORICAL, r"labels of shape \[\] each, expected a probability for every class, \[3\]"),
        ([[1, 0], [0, 1]], CATEGORICAL, r"labels of shape \[2\] each, expected a probability for every class"),
        ([[1, 0, 0], [1, 1, 0]], CATEGORICAL, "no probabilities, some that add up to 2"),
        ([[2, -1, 0]], CATEGORICAL, "no probabilities, one of -1"),
        (
            [[1, 0, 0], [0, 0, 1]],
            None,
            "expected one class number: for a probability per class, set loss: categorical_crossentropy",
        ),
    ],
)
def test_labels_that_do_not_suit_the_loss_are_refused(labels: Any, losses: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_spread(labels, losses)


def test_weights_of_steps_need_answers_of_steps() -> None:
    split = Split(np.zeros((3, 2)), np.zeros(3), weights=np.ones((3, 2)))
    with pytest.raises(ConfigError, match=r"weights of shape \[2\] each, but the model answers once a row"):
        check_data(Dataset("made up", {"train": split}), model_config(head={"kind": "linear"}))


def test_there_is_a_weight_for_every_step() -> None:
    config = ModelConfig.parse(
        {"architecture": "gpt_tiny", "input_shape": [3], "vocabulary_size": 5, "head": {"kind": "token", "units": 5}}
    )
    split = Split(np.ones((2, 3), int), np.ones((2, 3), int), weights=np.ones((2, 4)))
    with pytest.raises(ConfigError, match=r"weights of shape \[4\] each, expected one for every step: \[3\]"):
        check_data(Dataset("made up", {"train": split}), config)
