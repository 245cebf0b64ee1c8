"""A model as a table: what each layer is, gives, weighs and takes."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from zoo.inspection.arithmetic import spell
from zoo.inspection.calls import Call, Shape, calls_of, named_outputs
from zoo.inspection.multiply_adds import multiply_adds_of
from zoo.inspection.words import words


@dataclass(frozen=True)
class LayerRow:
    """One layer."""

    name: str
    kind: str
    """What it is, in words."""
    output: Shape
    """Shape of what it gives for one example; None is an axis of any length."""
    parameters: int
    trainable: int
    """How many of the parameters learn."""
    arithmetic: str
    """How the parameters are counted."""
    multiply_adds: int | None
    """Of one example, over all of its calls; None where they cannot be told."""
    calls: int = 1
    """How often the model uses it."""


@dataclass(frozen=True)
class Summary:
    """A table of layers and what it comes to."""

    name: str
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    rows: tuple[LayerRow, ...]
    parameters: int
    trainable: int
    size: int
    """Of all weights, in bytes, as they lie in memory."""

    @property
    def multiply_adds(self) -> int:
        """Of one example, over the layers that were counted."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    @property
    def not_counted(self) -> tuple[str, ...]:
        """Layers whose multiply-adds cannot be told."""
        return tuple(row.name for row in self.rows if row.multiply_adds is None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            **dataclasses.asdict(self),
            "multiply_adds": self.multiply_adds,
            "not_counted": list(self.not_counted),
        }


def summarize(model: keras.Model) -> Summary:
    """Return the table of a model.

    Example:
        >>> import zoo
        >>> from zoo.inspection import summarize
        >>> table = summarize(zoo.build("mlp_tiny", input_shape=(784,), head={"kind": "softmax", "units": 10}))
        >>> table.rows[1].arithmetic, table.rows[1].parameters
        ('784 x 16 weights + 16 biases', 12560)

    Raises:
        ConfigError: the model has no graph of layers.
    """
    calls: dict[int, list[Call]] = {}
    for call in calls_of(model):
        costs = call.is_layer or multiply_adds_of(call) != 0
        if costs:
            calls.setdefault(id(call.operation), []).append(call)
    return Summary(
        name=model.name,
        inputs={tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs},
        outputs={name: tuple(tensor.shape[1:]) for name, tensor in named_outputs(model).items()},
        rows=tuple(_row(of_layer) for of_layer in calls.values()),
        parameters=_count(model.weights),
        trainable=_count(model.trainable_weights),
        size=sum(_count([weight]) * _bytes(weight) for weight in model.weights),
    )


def _row(calls: list[Call]) -> LayerRow:
    layer = calls[0].operation
    weights = layer.weights if calls[0].is_layer else []
    counts = [multiply_adds_of(call) for call in calls]
    return LayerRow(
        name=calls[0].name,
        kind=words(layer),
        output=calls[0].shape,
        parameters=_count(weights),
        trainable=_count(layer.trainable_weights) if weights else 0,
        arithmetic=spell(layer) if weights else "",
        multiply_adds=None if None in counts else sum(count or 0 for count in counts),
        calls=len(calls),
    )


def _count(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _bytes(weight: Any) -> int:
    dtype = keras.backend.standardize_dtype(weight.dtype)
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize  # NumPy alone does not know bfloat16
