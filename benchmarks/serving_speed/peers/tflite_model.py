"""A model.tflite that may be called from any thread. Needs NumPy and ai-edge-litert, or TensorFlow; nothing of keras-zoo."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tensorflow.lite import Interpreter

_SIGNATURE = "serving_default"


class TFLiteModel:
    """Arrays in, arrays out.

    State: for each number of rows, the interpreters that nobody uses just now; as many are made as are used at once.
    """

    def __init__(self, version: Path, *, threads: int = 1) -> None:
        """Read the file of an artifact's version; `threads` are those of one call."""
        self._content = (version / "model.tflite").read_bytes()
        self._threads = threads
        self._idle: defaultdict[int, list[tuple[Any, Any]]] = defaultdict(list)
        _, runner = self._interpreter()
        self.inputs: dict[str, Any] = runner.get_input_details()
        self.outputs: dict[str, Any] = runner.get_output_details()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs."""
        idle = self._idle[len(next(iter(inputs.values())))]
        try:
            mine = idle.pop()
        except IndexError:
            mine = self._interpreter()
        outputs: dict[str, np.ndarray] = mine[1](**inputs)
        idle.append(mine)
        return outputs

    def _interpreter(self) -> tuple[Any, Any]:
        interpreter = Interpreter(model_content=self._content, num_threads=self._threads)
        return interpreter, interpreter.get_signature_runner(_SIGNATURE)
