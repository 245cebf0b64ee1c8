"""LiteRT (once TensorFlow Lite): a Keras model as one flat file, with its operations in one small library."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from zoo.tensorflow_noise import hushed
from zoo.variants.dense import flattened
from zoo.variants.errors import NoVariantError
from zoo.variants.names import VariantName
from zoo.variants.recurrent import unrolled
from zoo.variants.rows import Arrays, count
from zoo.variants.source import Source


class LiteRTConverter:
    """Converts one signature, into several precisions."""

    def __init__(self, source: Source) -> None:
        """Trace the signature. Raises NoVariantError where it has layers that LiteRT cannot have."""
        self._source = source
        self._variables = source.variables()
        with unrolled(source.named.model), flattened(source.named.model):
            try:
                self._function = source.function().get_concrete_function(**source.named.specs())
            except Exception as error:  # a layer may raise anything where it is not what `unrolled` expects
                raise NoVariantError(_reason(str(error))) from error

    def convert(self, precision: VariantName, calibrating: Arrays | None) -> bytes:
        """Return the file's content: `litert`, `int8` or `int8_full`, which needs rows to be calibrated on.

        Raises:
            NoVariantError: LiteRT has no such operations of its own, or the rows are missing.
        """
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_concrete_functions([self._function], self._variables)
        if precision != "litert":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "int8_full":
            if calibrating is None:
                raise NoVariantError("int8_full is calibrated on rows of real input: give examples, some hundred")
            converter.representative_dataset = lambda: _one_by_one(calibrating)
        try:
            with hushed():
                content: bytes = converter.convert()
        except Exception as error:  # TensorFlow raises many types here
            raise NoVariantError(_reason(str(error))) from error
        return content


def _one_by_one(rows: Arrays) -> Iterator[dict[str, np.ndarray]]:
    for i in range(count(rows)):
        yield {name: array[i : i + 1] for name, array in rows.items()}


def _reason(message: str) -> str:
    """Say in a line what LiteRT's converter says in pages."""
    missing: list[Any] = re.findall(
        r"'?tf\.(\w+)'? op|'tf\.(\w+)'|^(?:Flex ops|TF Select ops): (.+)$", message, re.MULTILINE
    )
    names = sorted({name for found in missing for part in found for name in part.split(", ") if name})
    if names:
        return f"LiteRT's own operations do not do what {', '.join(names)} does"
    return f"LiteRT cannot convert it: {(message.strip() or 'no reason is given').splitlines()[0]:.200}"
