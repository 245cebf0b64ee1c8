"""What is served: prediction sets and intervals in TensorFlow, from a model's logits and values.

They compute in float32 what `zoo.uncertainty.classes` and `values` compute in NumPy.
"""

from typing import TYPE_CHECKING

from zoo.passport import Uncertainty

if TYPE_CHECKING:
    import tensorflow as tf


def set_answers(logits: "tf.Tensor", found: Uncertainty) -> "dict[str, tf.Tensor]":
    """Return calibrated `probabilities`, (N, units), and for classes that exclude each other their sets.

    These are `set`, bool (N, classes), which classes are in it, and `set_size`, int64 (N,), how many.
    """
    import tensorflow as tf

    x = tf.cast(logits, tf.float32) / tf.constant(found.temperature, tf.float32)
    if not found.threshold:
        return {"probabilities": tf.sigmoid(x)}
    pairs = tf.concat([tf.zeros_like(x), x], axis=-1) if x.shape[-1] == 1 else x
    chances = tf.nn.softmax(pairs)
    likeliest = tf.one_hot(
        tf.argmax(chances, axis=-1), chances.shape[-1], on_value=True, off_value=False, dtype=tf.bool
    )
    inside = tf.logical_or(1 - chances <= tf.constant(found.threshold[0], tf.float32), likeliest)
    return {
        "set": inside,
        "set_size": tf.math.count_nonzero(inside, axis=-1, dtype=tf.int64),
        "probabilities": chances[:, 1:] if x.shape[-1] == 1 else chances,
    }


def interval_answers(value: "tf.Tensor", found: Uncertainty) -> "dict[str, tf.Tensor]":
    """Return `value`, `lower` and `upper`, each (N, units)."""
    import tensorflow as tf

    width = tf.constant(found.threshold, value.dtype)
    return {"value": value, "lower": value - width, "upper": value + width}
