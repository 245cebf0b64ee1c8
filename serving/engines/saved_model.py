"""TensorFlow, calling the SavedModel's signatures: 0.15 ms a call where `model.predict` takes 35 ms."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np

from serving.engines.eager_tensors import to_array, to_tensor
from serving.engines.joint_function import NotJoinableError, join
from serving.engines.tensorflow_runtime import refusals, tensorflow
from serving.saved_model import SERVE_TAG, read_graph
from serving.status import ServerError, StatusError
from zoo.passport import Tolerance
from zoo.tensors import differences

logger = logging.getLogger(__name__)

_MOST_JOINED = (
    8  # combinations of signatures; callers choose them, and each takes time to join and memory for its graph
)

_ROUNDING = Tolerance(absolute=1e-6, relative=1e-5)
"""What the order of a sum can make of an answer."""


class SavedModelEngine:
    """A SavedModel in this process. `run` may be called from any thread."""

    def __init__(self, version: Path, tags: AbstractSet[str] = frozenset({SERVE_TAG})) -> None:
        """Load a version folder, the graph of these tags. Raises ServerError where TensorFlow cannot."""
        tf = self._tf = tensorflow()
        graph = read_graph(version, tags)
        try:
            self._model: Any = tf.saved_model.load(str(version), tags=set(graph.meta_info_def.tags))
        except Exception as error:
            raise ServerError(f"TensorFlow cannot load {version}: {_first_line(error)}") from error
        self._joined: dict[tuple[str, ...], Callable[..., Any] | None] = {}
        self._joining = threading.Lock()

    def function(self, signature: str) -> Callable[..., Any]:
        """Return TensorFlow's own function of a signature."""
        found: Callable[..., Any] = self._model.signatures[signature]
        return found

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine."""
        return self._arrays(self._call(self._model.signatures[signature], inputs))

    def run_jointly(
        self, signatures: Sequence[str], inputs: Mapping[str, np.ndarray]
    ) -> dict[str, dict[str, np.ndarray]]:
        """See JointEngine."""
        key = tuple(signatures)
        joined = self._joined.get(key)
        if joined is not None:
            return {name: self._arrays(outputs) for name, outputs in self._call(joined, inputs).items()}
        answers = {name: self.run(name, inputs) for name in signatures}
        if key not in self._joined and len(self._joined) < _MOST_JOINED and self._joining.acquire(blocking=False):
            try:
                self._joined[key] = self._join(key, inputs, answers)
            finally:
                self._joining.release()
        return answers

    def close(self) -> None:
        """See Engine."""
        self._joined.clear()
        self._model = None

    def _join(
        self, names: Sequence[str], inputs: Mapping[str, np.ndarray], answers: Mapping[str, Mapping[str, np.ndarray]]
    ) -> Callable[..., Any] | None:
        """Return signatures as one function, once it has answered as they did; None where it cannot be."""
        try:
            joined = join({name: self._model.signatures[name] for name in names})
            for name, outputs in self._call(joined, inputs).items():
                _check_same(name, self._arrays(outputs), answers[name])
        except (NotJoinableError, StatusError) as error:
            logger.info("%s are run one after the other: %s", ", ".join(names), _first_line(error))
            return None
        return joined

    def _call(self, function: Callable[..., Any], inputs: Mapping[str, np.ndarray]) -> Any:
        with refusals(self._tf):
            return function(**{name: to_tensor(self._tf, array) for name, array in inputs.items()})

    def _arrays(self, outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: to_array(self._tf, value) for name, value in outputs.items()}


def _check_same(name: str, got: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    if faults := differences(got, expected, _ROUNDING):
        raise NotJoinableError(f"together they answer {name!r} otherwise: {faults[0]}")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
