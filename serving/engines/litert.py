"""LiteRT (once TensorFlow Lite), running a version's model.tflite: microseconds a call where the SavedModel takes 150."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.engines.shape_guard import ShapeGuard, has_free_axes
from serving.gentle import plainly
from serving.status import invalid
from serving.tflite_file import Tensors, TFLiteFile, first_line, is_whole_file, tensors_by_signature
from zoo.tensorflow_noise import hushed

Arrays = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]


class LiteRTEngine:
    """A model.tflite in this process. `run` may be called from any thread.

    An interpreter answers one call at a time, so there are several; each is made when a call finds all others busy.
    """

    platform = "tflite"
    """See PlatformEngine."""
    variant = "litert"
    """Its name in a passport, which says how much its answers may differ from the SavedModel's."""

    def __init__(self, version: Path, *, interpreters: int = 1, threads: int = 1, only: str | None = None) -> None:
        """Load a version folder.

        Args:
            version: what holds a model.tflite.
            interpreters: how many calls are computed at once, at most.
            threads: that compute one call.
            only: what its signature is called, where that is not as the file has it.

        Raises:
            ServerError: it cannot be loaded.
        """
        self._file = TFLiteFile(version)
        self._threads = threads
        self._guard: ShapeGuard | None = None
        self._is_fast = True
        self._guard_shapes()
        self._stored = {name: name for name in self._outputs} if only is None else {only: next(iter(self._outputs))}
        """What the file calls signatures."""
        self._idle = deque([self._interpreter()])
        """Any thread takes from it and gives back: that needs no lock."""
        self._changed = threading.Condition()
        self._unmade = interpreters - 1
        self._waiting = 0
        """Threads that found none."""

    def outputs(self, signature: str) -> Tensors:
        """Return the outputs of a signature, by name."""
        return self._outputs[self._stored[signature]]

    def takes_one_core(self, signature: str) -> bool:  # noqa: ARG002 - all do alike
        """See OneCoreEngine."""
        return self._threads == 1

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """See Engine."""
        signature = self._stored[signature]
        shapes = {name: array.shape for name, array in inputs.items()}
        if self._guard is not None:
            self._guard.check(shapes)
        interpreter = self._take(signature, shapes)
        try:
            answer = interpreter.run(signature, inputs, shapes)
        except BaseException:
            self._lose_one()  # who knows in which state it is
            raise
        self._give_back(interpreter)
        return answer

    def close(self) -> None:
        """See Engine."""
        self._idle.clear()

    def _guard_shapes(self) -> None:
        """See to it that no shape ends the process, where more than the number of rows is free."""
        careful = self._file.interpreter(fast=False)
        by_name = tensors_by_signature(careful)
        self._outputs = {name: outputs for name, (_, outputs) in by_name.items()}
        signatures = list(by_name.values())
        if not any(has_free_axes(inputs) for inputs, _ in signatures):
            return
        if len(signatures) == 1 and is_whole_file(careful, *signatures[0]):
            self._guard = ShapeGuard(careful, signatures[0][0])
        else:  # LiteRT lets nobody lay out a graph other than the first without running it
            self._is_fast = False

    def _take(self, signature: str, shapes: Shapes) -> "_Interpreter":
        """Return one for this thread alone."""
        try:
            interpreter = self._idle.pop()
        except IndexError:
            return self._another()
        if interpreter.shapes.get(signature) == shapes:
            return interpreter
        # One that had the same shapes last has its memory laid out for them.
        fitting = (each for each in self._idle.copy() if each.shapes.get(signature) == shapes)
        try:
            self._idle.remove(better := next(fitting))
        except (StopIteration, ValueError):  # none does, or another thread was faster
            return interpreter
        self._give_back(interpreter)
        return better

    def _give_back(self, interpreter: "_Interpreter") -> None:
        self._idle.append(interpreter)
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def _another(self) -> "_Interpreter":
        """Return one that is made now, or given back."""
        with self._changed:
            self._waiting += 1  # from here on, who gives one back tells
            try:
                while True:
                    with contextlib.suppress(IndexError):
                        return self._idle.pop()
                    if self._unmade:
                        self._unmade -= 1
                        break
                    self._changed.wait()
            finally:
                self._waiting -= 1
        try:
            return self._interpreter()
        except BaseException:
            self._lose_one()
            raise

    def _interpreter(self) -> "_Interpreter":
        made = self._file.interpreter(fast=self._is_fast, threads=self._threads)
        if self._threads > 1:
            with _remarks_dropped():
                plainly(made.allocate_tensors)  # starts them
        return _Interpreter(made)

    def _lose_one(self) -> None:
        with self._changed:
            self._unmade += 1
            self._changed.notify()


class _Interpreter:
    """One interpreter of LiteRT's. One thread at a time."""

    def __init__(self, made: Any) -> None:
        signatures = tensors_by_signature(made)
        only = next(iter(signatures))
        self._runners: dict[str, Callable[[Mapping[str, np.ndarray], Shapes], Arrays]] = (
            {only: _WholeFile(made, *signatures[only])}
            if len(signatures) == 1 and is_whole_file(made, *signatures[only])
            else {name: _Runner(made, name) for name in signatures}
        )
        self.shapes: dict[str, Shapes] = {}
        """By signature, those of the last call."""

    def run(self, signature: str, inputs: Mapping[str, np.ndarray], shapes: Shapes) -> Arrays:
        """See Engine."""
        runner = self._runners[signature]
        try:
            outputs = runner(inputs, shapes)
        except (RuntimeError, ValueError) as error:
            raise invalid(f"the model refuses these values: {first_line(error)}") from error
        self.shapes[signature] = shapes
        return outputs


class _WholeFile:
    """Runs the graph that a file begins with, in half the time that a signature runner of LiteRT's takes."""

    def __init__(self, interpreter: Any, inputs: Tensors, outputs: Tensors) -> None:
        self._interpreter = interpreter
        self._inputs = {name: details["index"] for name, details in inputs.items()}
        self._outputs = {name: details["index"] for name, details in outputs.items()}
        self._shapes: Shapes = {}

    def __call__(self, arrays: Mapping[str, np.ndarray], shapes: Shapes) -> Arrays:
        interpreter = self._interpreter
        if shapes != self._shapes:
            self._shapes = {}  # until they are laid out
            for name, shape in shapes.items():
                interpreter.resize_tensor_input(self._inputs[name], shape)
            with _remarks_dropped():
                interpreter.allocate_tensors()
            self._shapes = shapes
        for name, array in arrays.items():
            interpreter.set_tensor(self._inputs[name], array)
        interpreter.invoke()
        # A scalar comes as one of NumPy's, which is no array.
        return {name: np.asarray(interpreter.get_tensor(index)) for name, index in self._outputs.items()}


class _Runner:
    """Runs one of several graphs of a file."""

    def __init__(self, interpreter: Any, signature: str) -> None:
        self._run: Callable[..., Arrays] = interpreter.get_signature_runner(signature)

    def __call__(self, arrays: Mapping[str, np.ndarray], shapes: Shapes) -> Arrays:  # noqa: ARG002 - see _WholeFile
        with _remarks_dropped():
            return {name: np.asarray(array) for name, array in self._run(**arrays).items()}


_REMARKED = threading.Event()
"""Set once LiteRT has said, to the standard error of the process, that it computes by XNNPACK."""


def _remarks_dropped() -> contextlib.AbstractContextManager[None]:
    """Drop what LiteRT says as it first computes something: a log in JSON has no place for it."""
    if _REMARKED.is_set():
        return contextlib.nullcontext()
    _REMARKED.set()
    return hushed()
