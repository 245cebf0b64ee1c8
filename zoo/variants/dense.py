"""Dense layers over sequences in LiteRT: the product of two matrices, between reshapes that leave only the rows open.

Keras multiplies more than two axes by `tf.tensordot`, which computes their sizes anew in every call: eight small operations
around each product, none of which LiteRT hands to its fast kernels, and its graph falls to pieces between them.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops


@contextlib.contextmanager
def flattened(model: keras.Model) -> Iterator[None]:
    """Have the dense layers of a model see one row per step, where it is traced in here and the steps are known."""
    layers = [layer for layer in model._flatten_layers() if type(layer) is keras.layers.Dense]  # noqa: SLF001
    for layer in layers:
        layer.call = _FlatCall(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


class _FlatCall:
    """What a dense layer does, by its own `call`."""

    def __init__(self, layer: keras.layers.Dense) -> None:
        self._layer, self._call = layer, layer.call

    def __call__(self, inputs: Any, **options: Any) -> Any:
        between = tuple(inputs.shape[1:-1])
        if not between or None in between:
            return self._call(inputs, **options)
        rows = self._call(ops.reshape(inputs, (-1, inputs.shape[-1])), **options)
        return ops.reshape(rows, (-1, *between, self._layer.units))
