"""What each step weighs, by its score."""

from typing import Any

from keras import ops


def step_weights(scores: Any, axis: int) -> Any:
    """Return the softmax of scores over the steps, an axis of any length.

    The softmax of Keras warns of an axis of length 1, for those who forgot that it is 1 there; a single step has it.
    """
    if scores.shape[axis] != 1:
        return ops.softmax(scores, axis=axis)
    return 1 + 0 * scores  # 1, and still a function of the scores: what they are made of has a gradient, of zeros
