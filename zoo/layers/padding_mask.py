"""Which steps of a sequence count, found again by name in a saved model."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_zoo")
class PaddingMask(keras.layers.Layer):
    """Tells, bool (N, T), which steps of token ids (N, T) are not 0, or of vectors (N, T, D) not all 0."""

    def __init__(self, **options: Any) -> None:
        """Take the options of every Keras layer."""
        super().__init__(**{"autocast": False, **options})  # a small number may be 0 in half precision

    def call(self, inputs: Any) -> Any:
        """Return which count."""
        counts = ops.not_equal(inputs, 0)
        return counts if len(inputs.shape) == 2 else ops.any(counts, axis=-1)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """Return the spec of the answer: bool, whatever the dtype policy."""
        return keras.KerasTensor(inputs.shape[:2], dtype="bool")

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer; written out, because the config that Keras makes by itself lacks the name."""
        return dict(super().get_config())
