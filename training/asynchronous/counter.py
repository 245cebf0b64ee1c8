"""Taking a step of an optimizer by the number that the coordinator gave it."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

_COUNTER = "_iterations"


def apply_at(
    optimizer: keras.Optimizer, step: tf.Tensor, gradients: list[tf.Tensor], variables: Sequence[keras.Variable]
) -> None:
    """Apply gradients as the step of this number, counted from 0. The optimizer's own counter is neither read nor moved.

    There is no public way to say so: for as long as the update is traced, this puts something else in the place of a private
    attribute of Keras 3.15, which pyproject.toml pins and tests/training/asynchronous/test_counter.py watches. A
    `keras.StatelessScope`, which is public, would not do: it is of one thread, and TensorFlow updates variables in another.

    Args:
        optimizer: built for these variables.
        step: scalar of an integer type.
        gradients: one for each variable.
        variables: what is trained.
    """
    counter = getattr(optimizer, _COUNTER)
    setattr(optimizer, _COUNTER, _Number(tf.cast(step, counter.dtype)))
    try:
        optimizer.apply(gradients, variables)
    finally:
        setattr(optimizer, _COUNTER, counter)


class _Number:
    """What an optimizer takes for its counter: reads as a number, and is not moved."""

    def __init__(self, value: tf.Tensor) -> None:
        self._value = value
        self.dtype = value.dtype
        self.shape = value.shape

    def __add__(self, other: Any) -> tf.Tensor:
        return self._value + other

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        return self._value if dtype is None else tf.cast(self._value, dtype, name=name)

    def assign_add(self, value: Any) -> None:
        """Stay as it is."""
