"""From a trained model to what its confidence is worth: fitted on the calibration split, measured on the test split."""

import logging

import keras
import numpy as np

from training.answers import answers_of
from training.config import TrainConfig
from training.data import Dataset, Split
from zoo.config import HeadConfig
from zoo.errors import ConfigError
from zoo.full_precision import full_precision
from zoo.heads import output_name
from zoo.passport import Uncertainty
from zoo.uncertainty import calibrate_classes, calibrate_values, hold_out_classes, hold_out_values
from zoo.uncertainty.conformal import DECAY

CALIBRATION, HELD_OUT = "calibration", "test"

logger = logging.getLogger(__name__)


def find_uncertainty(config: TrainConfig, model: keras.Model, data: Dataset, level: float) -> dict[str, Uncertainty]:
    """Fit temperatures, prediction sets and intervals to the answers of every head, and measure them, by output.

    The rows are those of the `calibration` split: neither training nor the choice of an epoch saw them. Coverage is that of
    the `test` split, where there is one. Heads that answer for every step of a sequence get nothing: its steps resemble
    each other. Of rows in time, the latest of the calibration split count most (see `zoo.uncertainty.conformal_quantile`).

    Args:
        config: of the run.
        model: with the weights to be exported.
        data: with the split `calibration`; without it, there is nothing.
        level: the share of rows whose label is to be in the set or interval.
    """
    heads = {
        output_name(head, choice.kind): (head, choice)
        for head, choice in config.model.named_heads().items()
        if choice.kind != "token" and not config.model.gives_sequence()
    }
    if CALIBRATION not in data.splits or not heads:
        return {}
    splits = {name: _counted(data.split(name)) for name in (CALIBRATION, HELD_OUT) if name in data.splits}
    with full_precision(model):  # as it will be served
        answers = {name: answers_of(model, split, heads) for name, split in splits.items() if len(split)}
    if CALIBRATION not in answers:
        return {}
    found = {}
    for output, (head, choice) in heads.items():
        rows = {name: (by_output[output], _labels(splits[name], head, choice)) for name, by_output in answers.items()}
        try:
            found[output] = _of_head(choice, rows[CALIBRATION], level, decay=DECAY if data.in_time else 1.0)
        except ConfigError as error:
            logger.warning("%s has no uncertainty: %s", output, error)
            continue
        if HELD_OUT in rows:
            measure = hold_out_values if choice.kind == "linear" else hold_out_classes
            found[output] = measure(found[output], *rows[HELD_OUT])
    return found


def _of_head(choice: HeadConfig, rows: tuple[np.ndarray, np.ndarray], level: float, *, decay: float) -> Uncertainty:
    if choice.kind == "linear":
        return calibrate_values(*rows, level, decay=decay)
    exclusive = choice.kind == "softmax" or choice.units == 1
    return calibrate_classes(*rows, level, exclusive=exclusive, decay=decay)


def _counted(split: Split) -> Split:
    """Return the rows that count for anything."""
    if split.weights is None:
        return split
    weights = split.weights if split.weights.ndim == 1 else split.weights.max(axis=1)
    return split.taken(np.flatnonzero(weights > 0))


def _labels(split: Split, head: str, choice: HeadConfig) -> np.ndarray:
    """Return class numbers, (rows,), or values or labels, (rows, units)."""
    labels = split.named_labels()[head]
    if choice.kind == "softmax":
        several = labels.ndim == 2 and labels.shape[1] == choice.units  # a probability for every class
        return np.asarray(labels.argmax(axis=1) if several else labels.reshape(len(split)))
    if choice.kind == "sigmoid":
        labels = labels >= 0.5
        return labels.reshape(len(split)) if choice.units == 1 else labels.reshape(len(split), choice.units)
    return labels.reshape(len(split), choice.units)
