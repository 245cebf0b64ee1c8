"""A learnt step put before a sequence (Devlin et al., 2018), whose features come to stand for the whole."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_zoo")
class ClassToken(keras.layers.Layer):
    """(N, T, D) -> (N, T + 1, D)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the vector."""
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.token = self.add_weight(shape=(1, 1, input_shape[-1]), initializer=normal, name="token")

    def call(self, inputs: Any) -> Any:
        """Put it first."""
        token = ops.broadcast_to(self.token, (ops.shape(inputs)[0], 1, inputs.shape[-1]))
        return ops.concatenate([ops.cast(token, inputs.dtype), inputs], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (N, T + 1, D)."""
        rows, steps, width = input_shape
        return (rows, steps + 1 if steps is not None else None, width)
