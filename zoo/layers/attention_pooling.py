"""A learnt, weighted mean over the steps of a sequence."""

from typing import Any

import keras
from keras import ops

from zoo.layers.step_weights import step_weights

_UNSEEN = -1e9
"""A score whose weight is 0 beside any other; infinity would make a row of padding alone NaN."""


@keras.saving.register_keras_serializable("keras_zoo")
class AttentionPooling(keras.layers.Layer):
    """Averages a sequence (N, T, D) with weights that are the softmax of a learnt score of each step: (N, D).

    The attention of Yang et al. (2016) with the score linear in the features. Steps that a mask leaves out have no weight;
    rows of padding alone give 0. Scores and weights are float32 under every dtype policy.
    """

    def __init__(
        self,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        **options: Any,
    ) -> None:
        """Say how the score is learnt; options are those of every Keras layer."""
        super().__init__(**options)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the direction (D, 1) along which steps are scored. A bias would not change a softmax."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], 1),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            autocast=False,
            name="kernel",
        )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the weighted mean over the steps where `mask`, bool (N, T), is true; over all of them without one."""
        x = ops.cast(inputs, "float32")
        if mask is not None:
            counts = ops.expand_dims(ops.cast(mask, "bool"), -1)
            x = ops.where(counts, x, ops.zeros_like(x))
        scores = ops.matmul(x, ops.cast(self.kernel, "float32"))
        if mask is not None:
            scores = ops.where(counts, scores, _UNSEEN)
        # Steps without a weight are zeros, so a row that has only such gives 0, whatever its weights are.
        return ops.cast(ops.sum(step_weights(scores, axis=1) * x, axis=1), inputs.dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return None: no steps are left that a mask could be about."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (N, D)."""
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer."""
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }
