"""Two linear layers with an activation between them, at every step alike."""

from typing import Any

import keras

from zoo.layers.composite import Composite


@keras.saving.register_keras_serializable("keras_zoo")
class FeedForward(Composite):
    """(..., D) -> (..., intermediate_dim) -> activation -> (..., D)."""

    parts = ("hidden", "activation", "projection")

    def __init__(
        self, hidden: keras.layers.Dense, activation: keras.layers.Layer, projection: keras.layers.Dense, **options: Any
    ) -> None:
        """Take the three layers; options are those of every Keras layer."""
        super().__init__(**options)
        self.hidden, self.activation, self.projection = hidden, activation, projection

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        between = (*input_shape[:-1], self.hidden.units)
        self.hidden.build(input_shape)
        self.activation.build(between)
        self.projection.build(between)

    def call(self, inputs: Any) -> Any:
        """Apply the three."""
        return self.projection(self.activation(self.hidden(inputs)))

    def multiply_adds(self, input_shape: tuple[int, ...]) -> int:
        """Return the multiplications with addition that one example of (N, T, D) takes, biases left out."""
        steps, width = input_shape[1:]
        return steps * self.hidden.units * (width + self.projection.units)
