"""Which variants there are, and what their files are called."""

from collections.abc import Iterable
from typing import Literal, get_args

from zoo.errors import UnknownNameError, did_you_mean

VariantName = Literal["litert", "int8", "int8_full", "onnx"]
"""`litert` and `onnx` in float32; LiteRT with weights of 8 bits is `int8`, with activations too `int8_full`."""

FILES: dict[VariantName, str] = {
    "litert": "model.tflite",
    "int8": "model.int8.tflite",
    "int8_full": "model.int8_full.tflite",
    "onnx": "model.onnx",
}


def check_names(names: Iterable[str]) -> tuple[VariantName, ...]:
    """Return names of variants without repetition, in the order in which they are made.

    Raises:
        UnknownNameError: there is no such variant.
    """
    known: tuple[VariantName, ...] = get_args(VariantName)
    asked = set(names)
    for name in sorted(asked.difference(known)):
        raise UnknownNameError(f"there is no variant {name!r}; {did_you_mean(name, known)}")
    return tuple(name for name in known if name in asked)
