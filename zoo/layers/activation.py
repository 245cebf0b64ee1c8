"""An activation function with its arguments."""

from collections.abc import Mapping
from typing import Any

import keras

from zoo.keras_names import find


@keras.saving.register_keras_serializable("keras_zoo")
class FunctionActivation(keras.layers.Layer):
    """Applies a function of `keras.activations`, or a registered one, with arguments; any shape in, the same out."""

    def __init__(self, function: str, arguments: Mapping[str, Any], **options: Any) -> None:
        """Name the function and its arguments; options are those of every Keras layer."""
        super().__init__(**options)
        self.function = function
        self.arguments = dict(arguments)
        self.supports_masking = True
        self._call = find("activation", function, keras.activations)

    def call(self, inputs: Any) -> Any:
        """Apply it."""
        return self._call(inputs, **self.arguments)

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer."""
        return {**super().get_config(), "function": self.function, "arguments": self.arguments}
