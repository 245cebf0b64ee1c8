"""Where in its sequence a step stands, added to what it holds."""

from typing import Any

import keras
import numpy as np
from keras import ops

WAVELENGTH = 10_000.0
"""Of the slowest sine, over 2 pi."""


@keras.saving.register_keras_serializable("keras_zoo")
class PositionEmbedding(keras.layers.Layer):
    """Adds a vector of its position to every step: (N, T, D) -> (N, T, D).

    `sinusoidal`: sin(p / 10000^(2i/D)) at feature 2i and the cosine at 2i + 1 (Vaswani et al., 2017), for any length.
    `learned`: a table of `max_length` rows.
    """

    def __init__(self, kind: str = "sinusoidal", max_length: int | None = None, **options: Any) -> None:
        """Choose the kind; `max_length` is needed by `learned` alone; options are those of every Keras layer."""
        super().__init__(**options)
        if kind not in {"sinusoidal", "learned"}:
            raise ValueError(f"expected kind 'sinusoidal' or 'learned', got {kind!r}")
        if kind == "learned" and max_length is None:
            raise ValueError("learned positions need a max_length, how many there are")
        self.kind, self.max_length = kind, max_length
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the table, where there is one."""
        if self.kind == "learned":
            width = input_shape[-1]
            normal = keras.initializers.RandomNormal(stddev=0.02)
            self.embeddings = self.add_weight(shape=(self.max_length, width), initializer=normal, name="embeddings")

    def call(self, inputs: Any, positions: Any = None) -> Any:
        """Return the sum.

        Args:
            inputs: (N, T, D).
            positions: int (N,), where the first of the inputs stands; 0 where not given.
        """
        steps = ops.arange(ops.shape(inputs)[1])
        at = steps if positions is None else ops.add(ops.expand_dims(positions, 1), steps)
        if self.kind == "sinusoidal":
            return inputs + ops.cast(sinusoids(at, inputs.shape[-1]), inputs.dtype)
        if positions is not None:
            return inputs + ops.take(self.embeddings, at, axis=0)
        # A slice, because a step past the end of the table is an error on every backend then: the shapes do not fit.
        return inputs + self.embeddings[: ops.shape(inputs)[1]]

    def compute_output_spec(self, inputs: Any, positions: Any = None) -> keras.KerasTensor:  # noqa: ARG002 - as `call`
        """Return the spec of the inputs: JAX cannot tell by itself how many rows of the table any number of steps takes."""
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer."""
        return {**super().get_config(), "kind": self.kind, "max_length": self.max_length}


def sinusoids(positions: Any, width: int) -> Any:
    """Return sines and cosines of positions (..., T): (..., T, width), float32, as half precision would merge positions."""
    feature = np.arange(width)
    frequency = (WAVELENGTH ** (-2 * (feature // 2) / width)).astype("float32")
    shift = (np.pi / 2 * (feature % 2)).astype("float32")  # cos(x) = sin(x + pi / 2)
    return ops.sin(ops.expand_dims(ops.cast(positions, "float32"), -1) * frequency + shift)
