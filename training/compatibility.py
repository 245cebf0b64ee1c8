"""Whether a model can learn from a data set: said before anything is trained, and in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from training.config import LossConfig
from training.data import Dataset
from zoo.config import INPUT_NAME, HeadConfig, ModelConfig, SequenceConfig, Spec
from zoo.errors import ConfigError

_ROUNDING = 1e-3
"""By how much probabilities may miss the sum of 1: they may be float16."""


def check_data(data: Dataset, config: ModelConfig, losses: Mapping[str, LossConfig] | None = None) -> None:
    """Check that a model can learn from a data set.

    Args:
        data: all of its splits are looked at.
        config: the model.
        losses: of its heads, by their names; None are the usual ones.

    Raises:
        ConfigError: a split is empty; inputs are missing, of another shape, no finite numbers (text, where the model takes
            text) or no ids of its vocabulary; a head has no labels, or labels that it cannot tell apart; weights are for
            steps, but answers are not.
    """
    heads, specs = config.named_heads(), config.input_specs()
    for name, split in data.splits.items():
        where = f"{data.name}/{name}"
        if not len(split):
            raise ConfigError(f"{where} has no rows: give it some, or leave the split out where it is not needed")
        inputs = split.named_inputs()
        if inputs.keys() != specs.keys():
            raise ConfigError(f"{data.name} has inputs {', '.join(inputs)}, the model takes {', '.join(specs)}")
        for input_name, spec in specs.items():
            which = "the inputs" if input_name == INPUT_NAME else f"the input {input_name!r}"
            _check_input(f"{which} of {where}", inputs[input_name], spec)
        _check_ids(where, inputs[INPUT_NAME], config)
        labels = split.named_labels()
        if labels.keys() != heads.keys():
            raise ConfigError(f"{data.name} has labels for {_heads(labels)}, the model has {_heads(heads)}")
        for head, choice in heads.items():
            _check_numbers(f"the labels {f'of {head!r} ' if head else ''}of {where}", labels[head])
            spread = losses is not None and losses[head].kind == "categorical_crossentropy"
            fault = _shape_fault(labels[head].shape, choice, config, spread=spread) or (
                _probability_fault(labels[head]) if spread else _value_fault(labels[head], choice)
            )
            if fault:
                path = f"model.heads.{head}" if head else "model.head"
                raise ConfigError(f"{path} is {choice.kind} with {choice.units} units, but {where} {fault}")
        if split.weights is not None and split.weights.ndim == 2:
            _check_step_weights(where, split.weights, next(iter(labels.values())), config)


def _check_input(what: str, array: Any, spec: Spec) -> None:
    if spec.dtype == "string":
        _check_text(what, array)
    else:
        _check_numbers(what, array)
    if spec.dtype == "int32" and not (array.dtype.kind in "biu" or (array == np.floor(array)).all()):
        raise ConfigError(f"the model takes whole numbers, but {what} hold fractions")
    shape = array.shape[1:]
    fits = len(shape) == len(spec.shape) and all(w in {None, s} for w, s in zip(spec.shape, shape, strict=True))
    if not fits:
        expected = str(list(spec.shape)).replace("None", "null")
        raise ConfigError(f"model.input_shape is {expected}, but {what} have shape {list(shape)}")


def _check_text(what: str, array: Any) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "OSU":
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise ConfigError(f"the model takes text, but {what} are {found}: give an array of strings")
    if array.dtype.kind == "O":
        other = next((x for x in array.ravel() if not isinstance(x, str | bytes)), None)
        if other is not None:
            raise ConfigError(f"the model takes text, but {what} hold {other!r:.60} ({type(other).__name__})")


def _check_ids(where: str, array: np.ndarray, config: ModelConfig) -> None:
    if (
        config.preprocessing
        or config.input_specs()[INPUT_NAME].dtype != "int32"
        or not isinstance(config, SequenceConfig)
    ):
        return
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= (config.vocabulary_size or high + 1):
        raise ConfigError(
            f"{where} has token ids {low}..{high}, but the model knows 0..{(config.vocabulary_size or 1) - 1}: "
            f"set model.vocabulary_size to {high + 1}"
        )


def _check_numbers(what: str, array: Any) -> None:
    if not isinstance(array, np.ndarray):
        raise ConfigError(f"{what} are a {type(array).__name__}, expected a NumPy array: convert them with np.asarray")
    if array.dtype.kind not in "biuf" and not np.can_cast(array.dtype, np.float32):  # bfloat16 is of no kind
        raise ConfigError(f"{what} are of dtype {array.dtype}, expected numbers: convert them with .astype('float32')")
    if array.dtype.kind in "biu":
        return
    rows = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
    if rows.size:
        raise ConfigError(
            f"{what} hold NaN or infinity in {rows.size} of {len(array)} rows, first in row {rows[0]} (counted from 0): "
            "drop these rows, or put numbers in their place"
        )


def _check_step_weights(where: str, weights: np.ndarray, labels: np.ndarray, config: ModelConfig) -> None:
    shape = list(weights.shape[1:])
    if not config.gives_sequence():
        raise ConfigError(
            f"{where} has weights of shape {shape} each, but the model answers once a row: give one for each"
        )
    if weights.shape[1] != labels.shape[1]:
        raise ConfigError(
            f"{where} has weights of shape {shape} each, expected one for every step: [{labels.shape[1]}]"
        )


def _shape_fault(shape: tuple[int, ...], head: HeadConfig, config: ModelConfig, *, spread: bool) -> str | None:
    """Say what is wrong with the shape of labels; `spread` where they are a probability for every class."""
    if config.gives_sequence():
        return _step_fault(shape[1:], head, config.steps(), spread=spread)
    if spread and shape[1:] != (head.units,):
        return (
            f"has labels of shape {list(shape[1:])} each, expected a probability for every class, {[head.units]}: for class "
            "numbers, set loss: sparse_categorical_crossentropy"
        )
    if spread:
        return None
    if head.kind == "softmax" and shape[1:] == (head.units,):
        return (
            f"has labels of shape {list(shape[1:])} each, expected one class number: for a probability per class, set "
            "loss: categorical_crossentropy"
        )
    if head.kind == "softmax":
        one_each = len(shape) <= 2 and shape[1:] in {(), (1,)}
        return None if one_each else f"has labels of shape {list(shape[1:])} each, expected one class number"
    if shape[1:] != (head.units,) and not (shape[1:] == () and head.units == 1):
        return f"has labels of shape {list(shape[1:])} each, expected {[head.units]}"
    return None


def _step_fault(shape: tuple[int, ...], head: HeadConfig, steps: int | None, *, spread: bool) -> str | None:
    each = () if head.kind in {"softmax", "token"} and not spread else (head.units,)
    wanted = ("any" if steps is None else steps, *each)
    if len(shape) == len(wanted) and (steps is None or shape[0] == steps) and shape[1:] == each:
        return None
    return f"has labels of shape {list(shape)} each, expected one for every step: [{', '.join(map(str, wanted))}]"


def _probability_fault(labels: np.ndarray) -> str | None:
    low, sums = float(labels.min()), labels.reshape(-1, labels.shape[-1]).sum(axis=-1, dtype=np.float64)
    worst = int(np.abs(sums - 1).argmax())
    if low < 0 or abs(sums[worst] - 1) > _ROUNDING:
        found = f"one of {low:g}" if low < 0 else f"some that add up to {sums[worst]:g}"
        return f"has labels that are no probabilities, {found}: expected 0 or more, which add up to 1"
    return None


def _value_fault(labels: np.ndarray, head: HeadConfig) -> str | None:
    if head.kind == "token":
        empty = np.flatnonzero(~(labels != 0).any(axis=1))
        if empty.size:
            return f"has {empty.size} rows whose labels are padding alone (0), first row {empty[0]}: drop them"
    low, high = float(labels.min()), float(labels.max())
    if head.kind == "sigmoid" and not 0 <= low <= high <= 1:
        return f"has labels {low:g}..{high:g}, expected 0..1"
    if head.kind not in {"softmax", "token"}:
        return None
    if low < 0:
        return f"has classes {low:g}..{high:g}, expected 0..{head.units - 1}: number classes from 0"
    fractions = labels[labels != np.floor(labels)]
    if fractions.size:
        return (
            f"has {fractions.size} fractions for class labels, such as {fractions[0]:g}: expected 0..{head.units - 1}"
        )
    return None if high < head.units else f"has classes {low:g}..{high:g}: set units to {int(high) + 1}"


def _heads(names: Mapping[str, object]) -> str:
    return "one unnamed head" if set(names) == {""} else f"heads {', '.join(sorted(names))}"
