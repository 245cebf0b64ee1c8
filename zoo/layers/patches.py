"""An image as a sequence."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_zoo")
class Patches(keras.layers.Layer):
    """Cuts images (N, H, W, C) into squares, row by row: (N, H / size * W / size, size * size * C)."""

    def __init__(self, size: int, **options: Any) -> None:
        """Set the side of a square, which must divide H and W; options are those of every Keras layer."""
        super().__init__(**options)
        self.size = size

    def call(self, inputs: Any) -> Any:
        """Return the squares, each flattened as (size, size, C) is."""
        height, width, channels = inputs.shape[1:]
        rows, columns, side = height // self.size, width // self.size, self.size
        x = ops.reshape(inputs, (-1, rows, side, columns, side, channels))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, side * side * channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (N, patches, features of one)."""
        rows, height, width, channels = input_shape
        sides = (height or 0) // self.size * ((width or 0) // self.size)
        return (rows, sides, self.size**2 * (channels or 0))

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer."""
        return {**super().get_config(), "size": self.size}
