"""Half precision is for training: what is exported computes in float32, so that answers do not depend on the hardware."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

HALF = {"float16", "bfloat16"}


@contextmanager
def full_precision(model: keras.Model) -> Iterator[None]:
    """Let a model that computes in half precision compute in float32 meanwhile.

    Its variables stay as they are: under mixed policies they are float32 already. Layers that were quantized stay as they
    are too. Not for models that other threads call at the same time.
    """
    before = {
        layer: layer.dtype_policy
        for layer in model._flatten_layers()  # noqa: SLF001 - the only way to see nested layers
        if layer.compute_dtype in HALF and layer.quantization_mode is None
    }
    for layer in before:
        layer.dtype_policy = "float32"
    try:
        yield
    finally:
        for layer, policy in before.items():
            layer.dtype_policy = policy
