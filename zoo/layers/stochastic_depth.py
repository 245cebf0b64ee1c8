"""Residual branches that are skipped by chance (Huang et al., 2016)."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_zoo")
class StochasticDepth(keras.layers.Layer):
    """Zeroes whole rows of a batch with a given chance in training, and scales the others so that the mean stays.

    To be put on a residual branch before it is added. Nothing happens at inference.
    """

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        """Set the chance, 0 <= rate < 1; options are those of every Keras layer."""
        super().__init__(**options)
        if not 0 <= rate < 1:
            raise ValueError(f"expected 0 <= rate < 1, got {rate}")
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002 - Keras's signature
        """Return the inputs, (N, ...), some rows zeroed in training."""
        if not training or not self.rate:
            return inputs
        shape = (ops.shape(inputs)[0], *([1] * (len(inputs.shape) - 1)))
        kept = keras.random.uniform(shape, seed=self.seed_generator) >= self.rate
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros_like(inputs))

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
