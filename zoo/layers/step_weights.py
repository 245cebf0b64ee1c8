"""What each step weighs, by its score."""

from typing import Any

from keras import ops


def step_weights(scores: Any, axis: int) -> Any:
    """Return the softmax of scores over the steps, an axis of any length.

    The softmax of Keras warns of an axis of length 1, for those who forgot that it is 1 there; a single step has it.
    """
    return ops.ones_like(scores) if scores.shape[axis] == 1 else ops.softmax(scores, axis=axis)
