"""Normalizations of each step of a sequence by itself."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_zoo")
class StepBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalization (Ioffe and Szegedy, 2015), which a mask does not keep from synchronising replicas."""

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        if mask is None or not self.synchronized:
            return super()._moments(inputs, mask)

        def mean(x: Any) -> Any:
            return ops.moments(x, axes=self._reduction_axes, synchronized=True)[0]

        counts = ops.expand_dims(mask, -1)
        share = ops.maximum(mean(ops.cast(counts, inputs.dtype)), keras.config.epsilon())
        centre = mean(ops.where(counts, inputs, 0)) / share
        return centre, mean(ops.where(counts, ops.square(inputs - centre), 0)) / share


@keras.saving.register_keras_serializable("keras_zoo")
class StepGroupNormalization(keras.layers.GroupNormalization):
    """Keras's group normalization (Wu and He, 2018), with statistics over the channels of one step; any shape.

    Keras takes them over all steps of a row, so that padding, and steps still to come, would change every answer.
    """

    def call(self, inputs: Any) -> Any:
        """Return the inputs, (N, ..., channels), normalized."""
        steps = ops.reshape(inputs, (-1, inputs.shape[-1]))
        return ops.reshape(super().call(steps), ops.shape(inputs))


@keras.saving.register_keras_serializable("keras_zoo")
class StepRMSNormalization(keras.layers.RMSNormalization):
    """Keras's root mean square normalization (Zhang and Sennrich, 2019), which hands a mask on rather than warn of it."""

    def __init__(self, **options: Any) -> None:
        """Take what `keras.layers.RMSNormalization` does."""
        super().__init__(**options)
        self.supports_masking = True
