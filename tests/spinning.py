"""A computation that takes as long as it is told to."""

from typing import Any


def spin_function() -> Any:
    """Return a TensorFlow function: `one` after as many products of matrices as the first of `times` says."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="times")])
    def spin(times: tf.Tensor) -> dict[str, tf.Tensor]:
        matrix = tf.eye(200)
        for _ in tf.range(times[0]):
            matrix = matrix @ tf.eye(200)
        return {"one": matrix[:1, 0]}

    return spin
