"""XLA, compiling the signatures of a SavedModel for each size of batch: for who asks for it, since that takes seconds.

What XLA compiles is for one shape. So batches are filled up to the next power of two with copies of their last row, which
a model that mixes rows answers otherwise: it is refused when it is tried.
"""

import threading
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np

from serving.engines.eager_tensors import to_array, to_tensor
from serving.engines.joint_function import NotJoinableError, alone
from serving.engines.saved_model import SavedModelEngine
from serving.engines.tensorflow_runtime import refusals, tensorflow
from serving.saved_model import SERVE_TAG
from serving.signature import Signature
from serving.status import ServerError, StatusError

Arrays = dict[str, np.ndarray]

_MOST_SHAPES = 64
"""Of rows, for a signature: each stays in memory, and callers choose them."""
_UNSUPPORTED = "unsupported operations"
"""What TensorFlow says of a graph that XLA cannot compile."""
_PREPARED = (1, 2, 4, 8, 16, 32)
"""Rows of the batches that are compiled beforehand."""


class XlaEngine:
    """Signatures of a SavedModel, compiled. `run` may be called from any thread.

    State: the compiled function of each signature, made when it is first asked for, and the shapes that it was compiled
    for, behind a lock.
    """

    def __init__(
        self, version: Path, signatures: Mapping[str, Signature], tags: AbstractSet[str] = frozenset({SERVE_TAG})
    ) -> None:
        """Load the SavedModel in a version folder, which has these signatures. Raises ServerError."""
        self._tf = tensorflow()
        self._model = SavedModelEngine(version, tags)
        self._signatures = signatures
        self._functions: dict[str, Callable[..., Any]] = {}
        self._shapes: dict[str, set[object]] = {}
        self._lock = threading.Lock()

    def outputs(self, signature: str) -> Mapping[str, object]:
        """Return the outputs of a signature that it has: all but text, of which XLA has none."""
        return {name: spec for name, spec in self._signatures[signature].outputs.items() if spec.dtype != "string"}

    def prepare(self, signature: str) -> None:
        """Compile a signature for usual sizes of batch. Raises ServerError where XLA cannot have it."""
        inputs = self._signatures[signature].inputs
        if any(None in (spec.shape or ())[1:] for spec in inputs.values()):
            return  # of other shapes than anybody will ask
        for rows in _PREPARED if any(spec.is_batched for spec in inputs.values()) else (1,):
            zeros = {
                name: np.zeros([size or rows for size in spec.shape or ()], spec.dtype) for name, spec in inputs.items()
            }
            try:
                self.run(signature, zeros)
            except StatusError:  # of the values
                return

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """See Engine. Raises ServerError where XLA cannot have the signature, StatusError where a value is refused."""
        function, specs = self._function(signature), self._signatures[signature]
        rows = next((len(inputs[name]) for name, spec in specs.inputs.items() if spec.is_batched), None)
        filled = rows if rows is None else 1 << max(0, rows - 1).bit_length()
        given = {
            name: _filled(array, filled) if specs.inputs[name].is_batched else array for name, array in inputs.items()
        }
        if not self._may_compile(signature, given):
            answer = self._model.run(signature, inputs)
            return {name: answer[name] for name in self.outputs(signature)}
        try:
            with refusals(self._tf):
                answered = function(*(to_tensor(self._tf, given[name]) for name in sorted(given)))
        except StatusError as error:
            if _UNSUPPORTED in str(error.__cause__):
                raise ServerError(f"XLA cannot have it: {str(error.__cause__)[:200]}") from error
            raise
        arrays = {name: to_array(self._tf, tensor) for name, tensor in answered.items()}
        return {name: array[:rows] if specs.outputs[name].is_batched else array for name, array in arrays.items()}

    def close(self) -> None:
        """See Engine."""
        self._functions.clear()
        self._model.close()

    def _may_compile(self, signature: str, inputs: Mapping[str, np.ndarray]) -> bool:
        shapes = tuple((name, array.shape) for name, array in sorted(inputs.items()))
        with self._lock:
            known = self._shapes.setdefault(signature, set())
            if shapes not in known and len(known) < _MOST_SHAPES:
                known.add(shapes)
            return shapes in known

    def _function(self, signature: str) -> Callable[..., Any]:
        with self._lock:
            if signature not in self._functions:
                self._functions[signature] = self._compiled(signature)
            return self._functions[signature]

    def _compiled(self, signature: str) -> Callable[..., Any]:
        """Return what compiles a signature for each shape that comes; it takes its inputs by their names' order."""
        specs = self._model.function(signature).structured_input_signature[1]  # type: ignore[attr-defined]
        if texts := sorted(name for name, spec in specs.items() if spec.dtype == self._tf.string):
            raise ServerError(f"XLA has no text, which the input {texts[0]!r} is")
        try:
            function = alone(self._model.function(signature), set(self.outputs(signature)))
        except NotJoinableError as error:
            raise ServerError(f"XLA cannot have it: {error}") from error
        names = sorted(specs)

        def answer(*tensors: Any) -> Any:
            return function(**dict(zip(names, tensors, strict=True)))

        taken = [specs[name] for name in names]
        compiled: Callable[..., Any] = self._tf.function(
            answer, input_signature=taken, autograph=False, jit_compile=True
        )
        return compiled


def _filled(array: np.ndarray, rows: int | None) -> np.ndarray:
    """Return an array with copies of its last row, up to so many."""
    lack = 0 if rows is None or not len(array) else rows - len(array)
    return np.concatenate([array, np.repeat(array[-1:], lack, axis=0)]) if lack else array
