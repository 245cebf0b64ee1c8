"""Calling a model as one compiled program, by whichever backend Keras runs on."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

Tensors = Mapping[str, Any]


def compiled(model: keras.Model, *, few_shapes: bool = False) -> Callable[[Tensors], dict[str, Any]]:
    """Return a function that runs a model of named inputs and outputs, in inference, and leaves tensors on their device.

    Weights that change later are seen. (`Model.predict_on_batch` would bring every output to NumPy and back, a cache at
    each step included.)

    Args:
        model: what to run.
        few_shapes: whether its inputs come in few shapes, so that TensorFlow too may compile with XLA, as JAX always does:
            anew for each shape, in a second or so, for a step of half the time.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(
            lambda inputs: model(inputs, training=False),
            reduce_retracing=not few_shapes,
            jit_compile=few_shapes or None,
        )
    if backend == "jax":
        import jax

        run = jax.jit(lambda weights, fixed, inputs: model.stateless_call(weights, fixed, inputs, training=False)[0])

        def call(inputs: Tensors) -> dict[str, Any]:
            weights, fixed = model.trainable_variables, model.non_trainable_variables
            return run([weight.value for weight in weights], [weight.value for weight in fixed], dict(inputs))

        return call
    return lambda inputs: model(inputs, training=False)
