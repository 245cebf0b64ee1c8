"""Positions as rotations (Su et al., 2021)."""

from typing import Any

import numpy as np
from keras import ops

WAVELENGTH = 10_000.0
"""Of the slowest pair of features, over 2 pi."""


def rotate(x: Any, positions: Any) -> Any:
    """Rotate pairs of features by angles that grow with the position.

    The product of a query at position p with a key at position q then depends on p - q alone. Feature i is paired with
    feature i + size / 2, and turned by position * WAVELENGTH ** (-2 i / size).

    Args:
        x: queries or keys, (N, T, heads, size), size even.
        positions: of the steps, (N, T) or (1, T).

    Returns:
        As x. Angles are taken in float32, in which positions of thousands differ; half precision would merge them.
    """
    half = x.shape[-1] // 2
    frequencies = (WAVELENGTH ** (-np.arange(half) / half)).astype("float32")
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * frequencies
    cosine, sine = (ops.expand_dims(part, 2) for part in (ops.cos(angles), ops.sin(angles)))
    first, second = ops.split(ops.cast(x, "float32"), 2, axis=-1)
    turned = ops.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
    return ops.cast(turned, x.dtype)
