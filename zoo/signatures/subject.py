"""The model that signatures are made of."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.endpoints import Classes, Endpoint, NamedModel, Tensors, with_classes
from zoo.passport import Uncertainty

GOLDEN_ROWS = 2
"""Of every signature but `serving_default`."""
GOLDEN_BYTES = 2**14
"""A passport keeps no golden inputs and answers of other signatures that take more."""


class Subject:
    """A model, what it answers, and what that means.

    The graph of the model is written once, however many signatures call `serve` or have a part of it.
    """

    def __init__(
        self,
        named: NamedModel,
        classes: Mapping[str, Classes],
        rows: Mapping[str, np.ndarray],
        answers: Mapping[str, np.ndarray],
        uncertainty: Mapping[str, Uncertainty] | None = None,
    ) -> None:
        """Take what is known of a model.

        Args:
            named: the model.
            classes: by output of probabilities.
            rows: golden rows of input, by name.
            answers: what the model answers to them, without what signatures add.
            uncertainty: by output, what was fitted to its answers.
        """
        self.named = named
        self.classes = classes
        self.rows = rows
        self.answers = answers
        self.uncertainty = uncertainty or {}
        self._parts: dict[str, keras.KerasTensor] = {}
        self._forward = tf.function(self._answer, input_signature=[named.specs()], autograph=False)
        self._serve = with_classes(lambda inputs: self._forward(inputs)[0], classes)

    def serve(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        """Answer as `serving_default` does."""
        return self._serve(inputs)

    def part(self, tensors: Mapping[str, keras.KerasTensor]) -> Endpoint:
        """Return a function that answers these tensors of the model, by names of one's own.

        Ask for it before anything is called: what is on the way to the outputs is answered along with them.
        """
        self._parts.update(tensors)
        return lambda inputs: {name: self._forward(inputs)[1][name] for name in tensors}

    def few(self) -> dict[str, np.ndarray] | None:
        """Return the first golden rows, for a signature with the inputs of the model; None where they are large."""
        return few(self.rows)

    def _answer(self, inputs: Tensors) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.named.with_parts(inputs, self._parts)


def few(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Return the first rows of inputs by name; None where a passport should not hold so much."""
    first = {name: array[:GOLDEN_ROWS] for name, array in rows.items()}
    return first if is_small(first) else None


def is_small(*tensors: Mapping[str, np.ndarray]) -> bool:
    """Tell whether a passport should hold these tensors of a signature that is not `serving_default`."""
    return sum(_bytes(array) for each in tensors for array in each.values()) <= GOLDEN_BYTES


def _bytes(array: np.ndarray) -> int:
    return sum(map(len, array.ravel())) if array.dtype == object else array.nbytes
