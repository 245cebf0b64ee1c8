"""Keras's recurrent layers, computing the same on every device.

On a GPU, Keras's own call cuDNN where they can. That fails on padding on the left and on rows of padding alone, gives other
answers at padded steps, cannot be compiled by XLA, and puts an operation into exported models that no CPU has. Keras has
`use_cudnn=False` for that, but forgets it when a model is saved; these layers do not.
"""

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_zoo")
class LSTM(keras.layers.LSTM):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gates of Gers et al., 2000): `keras.layers.LSTM`."""

    def __init__(self, units: int, **options: Any) -> None:
        """Take what `keras.layers.LSTM` does, but for `use_cudnn`."""
        super().__init__(units, use_cudnn=False, **options)


@keras.saving.register_keras_serializable("keras_zoo")
class GRU(keras.layers.GRU):
    """Gated recurrent unit (Cho et al., 2014; reset after the product, as Keras and cuDNN do): `keras.layers.GRU`."""

    def __init__(self, units: int, **options: Any) -> None:
        """Take what `keras.layers.GRU` does, but for `use_cudnn`."""
        super().__init__(units, use_cudnn=False, **options)
