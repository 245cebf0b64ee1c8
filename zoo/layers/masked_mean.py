"""The mean over the steps that count."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_zoo")
class MaskedMean(keras.layers.Layer):
    """Averages a sequence (N, T, D) over the steps that a mask says count: (N, D). Rows of padding alone give 0.

    The sum is taken in float32, in which a thousand steps of half precision do not lose the last ones.
    """

    def __init__(self, **options: Any) -> None:
        """Take the options of every Keras layer."""
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mean over the steps where `mask`, bool (N, T), is true; over all of them without one."""
        x = ops.cast(inputs, "float32")
        if mask is None:
            return ops.cast(ops.mean(x, axis=1), inputs.dtype)
        counts = ops.expand_dims(ops.cast(mask, "float32"), -1)
        # A mask hides what padding holds, even NaN, which a product with 0 would let through.
        total = ops.sum(ops.where(counts > 0, x, ops.zeros_like(x)), axis=1)
        return ops.cast(total / ops.maximum(ops.sum(counts, axis=1), 1.0), inputs.dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return None: no steps are left that a mask could be about."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (N, D)."""
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer; written out, because the config that Keras makes by itself lacks the name."""
        return dict(super().get_config())
