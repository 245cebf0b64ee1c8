"""TensorFlow, calling the SavedModel's signatures: 0.15 ms a call where `model.predict` takes 35 ms."""

import contextlib
import functools
import gc
import itertools
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np

from serving.engines.joint_function import NotJoinableError, join
from serving.saved_model import SERVE_TAG, read_graph
from serving.status import Code, ServerError, StatusError, invalid
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
        tf = self._tf = _tensorflow()
        graph = read_graph(version, tags)
        try:
            self._model: Any = tf.saved_model.load(str(version), tags=set(graph.meta_info_def.tags))
        except Exception as error:
            raise ServerError(f"TensorFlow cannot load {version}: {_first_line(error)}") from error
        self._joined: dict[tuple[str, ...], Callable[..., Any] | None] = {}
        self._joining = threading.Lock()

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
        tf = self._tf
        try:
            return function(**{name: tf.constant(array) for name, array in inputs.items()})
        except UnicodeDecodeError as error:  # TensorFlow's own complaint quoted bytes that are no text
            raise invalid("the model refuses these values") from error
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.UnimplementedError) as error:
            raise invalid(f"the model refuses these values: {_reason(error)}") from error
        except tf.errors.ResourceExhaustedError as error:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED, "out of memory for this batch: send fewer rows at a time"
            ) from error

    def _arrays(self, outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: _to_array(value) for name, value in outputs.items()}


def _check_same(name: str, got: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    if faults := differences(got, expected, _ROUNDING):
        raise NotJoinableError(f"together they answer {name!r} otherwise: {faults[0]}")


@functools.cache
def _tensorflow() -> Any:
    """Import TensorFlow, once.

    What it made of itself stays for ever, and is put where the garbage collector does not look: to look through it takes
    200 ms, in which nothing is answered, at every collection after an unload.
    """
    import tensorflow as tf

    _share_gpus(tf)
    gc.collect()
    gc.freeze()
    return tf


def _share_gpus(tf: Any) -> None:
    """Have TensorFlow take GPU memory as it needs it; by default it takes all of it."""
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # the GPUs are in use already: whoever began decided
            tf.config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003 - TensorFlow's signature


def set_parallelism(intra_op: int, inter_op: int) -> None:
    """Have TensorFlow use so many threads in an operation, and so many operations at once; 0 leaves it to TensorFlow.

    Raises:
        ServerError: TensorFlow runs already in this process, with other numbers.
    """
    if not intra_op and not inter_op:
        return
    import tensorflow as tf

    threading = tf.config.threading
    now = "TensorFlow has {} threads in an operation and {} operations at once (0: as many as cores)"
    try:
        if intra_op:
            threading.set_intra_op_parallelism_threads(intra_op)
        if inter_op:
            threading.set_inter_op_parallelism_threads(inter_op)
    except RuntimeError:
        found = now.format(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
        raise ServerError(
            f"{found}, which cannot be changed to {intra_op} and {inter_op} once it has computed: start the server first"
        ) from None
    found = now.format(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
    logger.info("%s", found)


def _to_array(value: Any) -> np.ndarray:
    found = value.numpy()
    return np.array(found, dtype=object) if isinstance(found, bytes) else np.asarray(found)  # a scalar string is bytes


def _reason(error: Exception) -> str:
    """Return what an operation complained about, without the paths of its definition: the line before the node's name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for before, line in itertools.pairwise(lines):
        if line.startswith("[[{{"):
            return before[:300]
    return "an operation of the model failed"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
