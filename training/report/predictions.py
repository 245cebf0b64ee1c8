"""What a model says of rows whose answers are known, as arrays of what counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from training.config import TrainConfig
from training.data import Split
from training.losses import class_ids, entry_losses, like
from training.objectives import Objective, make_objectives
from zoo.config import INPUT_NAME
from zoo.heads import training_model

MOST_ROWS = 20_000
"""Of a split that are looked at."""
_BATCH = 256


@dataclass(frozen=True)
class HeadPredictions:
    """Of one head: an entry for every row, or for every step of every row that counts (see `rows` and `steps`)."""

    objective: Objective
    classes: int
    """How many; for a linear head, how many values."""
    rows: np.ndarray
    """The row of the split that each entry is of, (entries,)."""
    steps: np.ndarray
    """Its step, 0 where there are none, (entries,)."""
    losses: np.ndarray
    """Without smoothing or class weights, (entries,)."""
    true: np.ndarray
    """Class numbers, (entries,); or 0 and 1 by label, or values, (entries, units)."""
    said: np.ndarray
    """The same, as the model says."""
    confidence: np.ndarray
    """Probability of what was said, (entries,); empty for a linear head."""

    @property
    def kind(self) -> str:
        """`binary`, `classes`, `labels` (several at once), `tokens` or `values`."""
        match self.objective.kind:
            case "sigmoid":
                return "binary" if self.classes == 1 else "labels"
            case "softmax":
                return "classes"
            case "token":
                return "tokens"
            case _:
                return "values"

    def worst(self, most: int) -> np.ndarray:
        """Return the entries of highest loss, one per row at most, highest first."""
        order = np.argsort(-np.nan_to_num(self.losses, nan=np.inf), kind="stable")
        _, first = np.unique(self.rows[order], return_index=True)
        return order[np.sort(first)][:most]


def predict(model: keras.Model, config: TrainConfig, split: Split) -> dict[str, HeadPredictions]:
    """Return what a model says of the rows of a split, by head.

    Args:
        model: one of `config.model`.
        config: which losses; probabilities are compared in nats.
        split: rows; of more than `MOST_ROWS`, the first are looked at.
    """
    rows = split.between(0, min(len(split), MOST_ROWS))
    objectives = make_objectives(config)
    logits = training_model(model)

    @tf.function(autograph=False, reduce_retracing=True)
    def answer(inputs: Mapping[str, tf.Tensor] | tf.Tensor) -> Mapping[str, tf.Tensor]:
        inputs = tf.nest.map_structure(
            lambda array, taken: array if array.dtype == tf.string else tf.cast(array, taken.dtype), inputs, model.input
        )
        return logits(inputs, training=False)

    parts: dict[str, list[_Part]] = {objective.head: [] for objective in objectives}
    for start in range(0, len(rows), _BATCH):
        batch = rows.between(start, start + _BATCH)
        inputs = tf.nest.map_structure(tf.constant, batch.inputs)
        outputs = answer(inputs)
        main = inputs[INPUT_NAME] if isinstance(inputs, Mapping) else inputs
        given = None if batch.weights is None else tf.constant(batch.weights)
        for objective in objectives:
            labels = tf.constant(batch.named_labels()[objective.head])
            output = tf.cast(outputs[objective.output], tf.float32)
            counts = objective.weights(labels, main, given).numpy() > 0
            parts[objective.head].append(_part(objective, labels, output, counts, first_row=start))
    heads = config.model.named_heads()
    return {o.head: _joined(o, parts[o.head], heads[o.head].units) for o in objectives}


_Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _part(objective: Objective, labels: tf.Tensor, output: tf.Tensor, counts: np.ndarray, *, first_row: int) -> _Part:
    plain = objective.loss.model_copy(update={"label_smoothing": 0.0})
    losses = entry_losses(plain, labels, output).numpy()[counts]
    place = np.nonzero(counts)
    rows, steps = place[0] + first_row, place[1] if len(place) > 1 else np.zeros(len(place[0]), int)
    confidence = np.zeros(0)
    match objective.kind:
        case "linear":
            true, said = like(labels, output).numpy()[counts], output.numpy()[counts]
        case "sigmoid":
            chance = tf.sigmoid(output).numpy()[counts]
            true, said = (like(labels, output).numpy()[counts] >= 0.5).astype(int), (chance >= 0.5).astype(int)
            confidence = chance[:, 0] if chance.shape[1] == 1 else np.where(said, chance, 1 - chance).mean(axis=1)
            if chance.shape[1] == 1:
                true, said = true[:, 0], said[:, 0]
        case _:
            chance = tf.nn.softmax(output).numpy()[counts]
            true, said = class_ids(labels, output).numpy()[counts], chance.argmax(axis=-1)
            confidence = chance.max(axis=-1)
    return rows, steps, losses, true, said, confidence


def _joined(objective: Objective, parts: Sequence[_Part], units: int) -> HeadPredictions:
    rows, steps, losses, true, said, confidence = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return HeadPredictions(objective, units, rows, steps, losses, true, said, confidence)
