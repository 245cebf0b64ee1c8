"""TensorFlow, calling the SavedModel's signatures: 0.15 ms a call where `model.predict` takes 35 ms."""

import contextlib
import itertools
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np

from serving.saved_model import SERVE_TAG, read_graph
from serving.status import Code, ServerError, StatusError, invalid


class SavedModelEngine:
    """A SavedModel in this process. `run` may be called from any thread."""

    def __init__(self, version: Path, tags: AbstractSet[str] = frozenset({SERVE_TAG})) -> None:
        """Load a version folder, the graph of these tags. Raises ServerError where TensorFlow cannot."""
        import tensorflow as tf

        self._tf = tf
        _share_gpus(tf)
        graph = read_graph(version, tags)
        try:
            self._model: Any = tf.saved_model.load(str(version), tags=set(graph.meta_info_def.tags))
        except Exception as error:
            raise ServerError(f"TensorFlow cannot load {version}: {_first_line(error)}") from error

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine."""
        tf = self._tf
        try:
            outputs = self._model.signatures[signature](**{name: tf.constant(array) for name, array in inputs.items()})
        except UnicodeDecodeError as error:  # TensorFlow's own complaint quoted bytes that are no text
            raise invalid("the model refuses these values") from error
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.UnimplementedError) as error:
            raise invalid(f"the model refuses these values: {_reason(error)}") from error
        except tf.errors.ResourceExhaustedError as error:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED, "out of memory for this batch: send fewer rows at a time"
            ) from error
        return {name: _to_array(value) for name, value in outputs.items()}

    def close(self) -> None:
        """See Engine."""
        self._model = None


def _share_gpus(tf: Any) -> None:
    """Have TensorFlow take GPU memory as it needs it; by default it takes all of it."""
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # the GPUs are in use already: whoever began decided
            tf.config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003 - TensorFlow's signature


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
