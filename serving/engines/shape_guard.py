"""Shapes that leave an operation of a model.tflite nothing to compute, such as an image smaller than a convolution's kernel.

XNNPACK, which LiteRT computes with, ends the process on some of them. LiteRT's own kernels do not, and lay out the memory of
all tensors before they compute anything: so each shape is laid out by them first, once.
"""

import threading
from collections.abc import Mapping
from typing import Any

from serving.status import invalid
from serving.tflite_file import Tensors, first_line

Shapes = Mapping[str, tuple[int, ...]]

_AMPLE = 64  # an axis of this length leaves every operation something to compute, as good as always
_MOST_KNOWN = 10_000


def has_free_axes(inputs: Tensors) -> bool:
    """Tell whether inputs have free axes that may be more than the number of rows."""
    return any(
        -1 in list(details["shape_signature"])[1 if len(details["shape_signature"]) > 1 else 0 :]
        for details in inputs.values()
    )


class ShapeGuard:
    """Knows which shapes are safe. Any thread may use it."""

    def __init__(self, interpreter: Any, inputs: Tensors) -> None:
        """Take an interpreter of LiteRT's own kernels, which nobody else uses, and the inputs of what it runs."""
        self._interpreter = interpreter
        self._indices = {name: details["index"] for name, details in inputs.items()}
        self._lock = threading.Lock()
        self._safe: set[tuple[tuple[str, tuple[int, ...]], ...]] = set()
        ample = {
            name: tuple(_AMPLE if size < 0 else int(size) for size in details["shape_signature"])
            for name, details in inputs.items()
        }
        try:
            self._always_empty = self._empty(ample)
        except (RuntimeError, ValueError):  # it takes no such shape: then nothing is known to be empty of itself
            self._always_empty = set()

    def check(self, shapes: Shapes) -> None:
        """Refuse what leaves an operation nothing to compute. Raises StatusError."""
        key = tuple(sorted(shapes.items()))
        with self._lock:
            if key in self._safe:
                return
            try:
                empty = self._empty(shapes) - self._always_empty
            except (RuntimeError, ValueError) as error:
                raise invalid(f"the model refuses inputs of these shapes: {first_line(error)}") from error
            if empty:
                shown = ", ".join(f"{name!r} of shape {list(shape)}" for name, shape in shapes.items())
                raise invalid(f"{shown} leaves the model nothing to compute: it is too small for it")
            if len(self._safe) < _MOST_KNOWN:
                self._safe.add(key)

    def _empty(self, shapes: Shapes) -> set[int]:
        """Return which tensors have no elements with inputs of these shapes."""
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._indices[name], shape)
        self._interpreter.allocate_tensors()
        return {each["index"] for each in self._interpreter.get_tensor_details() if 0 in list(each["shape"])}
