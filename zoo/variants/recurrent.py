"""Recurrent layers in LiteRT, which has loops over sequences of known length and batch only: they are unrolled instead."""

import contextlib
from collections.abc import Iterator

import keras

from zoo.variants.errors import NoVariantError

MOST = 64
"""Steps of all recurrent layers together. Converting takes 20 ms for each, and the file grows by 2 kB."""


@contextlib.contextmanager
def unrolled(model: keras.Model) -> Iterator[None]:
    """Have every recurrent layer of a model lay out its steps one after another, where it is traced in here.

    Raises:
        NoVariantError: a sequence is of any length, or there are too many steps.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]  # noqa: SLF001
    if layers:
        _check_steps(model)
    before = [layer.unroll for layer in layers]
    try:
        for layer in layers:
            layer.unroll = True
        yield
    finally:
        for layer, was in zip(layers, before, strict=True):
            layer.unroll = was


def _check_steps(model: keras.Model) -> None:
    total = 0
    for layer in model._flatten_layers():  # noqa: SLF001
        steps = _steps(layer)
        if steps is None:
            raise NoVariantError(
                f"the recurrent layer {layer.name!r} reads sequences of any length, LiteRT needs to know it: "
                "give input_shape a length"
            )
        total += steps
    if total > MOST:
        raise NoVariantError(f"its recurrent layers take {total} steps, at most {MOST} are unrolled for LiteRT")


def _steps(layer: keras.layers.Layer) -> int | None:
    """Return how many steps a layer takes, None for any number; 0 of one that is not recurrent, or in one that is asked."""
    parts = layer._flatten_layers()  # noqa: SLF001 - a recurrent layer in a wrapper, such as Bidirectional, knows no input
    recurrent = sum(isinstance(part, keras.layers.RNN) for part in parts)
    if isinstance(layer, keras.Model) or not recurrent:
        return 0
    steps = getattr(getattr(layer, "input", None), "shape", (None, 0))[1]
    return None if steps is None else recurrent * int(steps)
