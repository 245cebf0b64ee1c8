"""TensorFlow, running a graph of constants in a session: a third of the time of a call of a SavedModel's signature."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.engines.frozen_file import FrozenSignature, read_frozen_signatures, read_graph_pieces
from serving.engines.tensorflow_runtime import refusals, tensorflow
from serving.status import ServerError

Arrays = dict[str, np.ndarray]
Key = tuple[str, ...]

_MOST_TOGETHER = 8
"""Combinations of signatures; callers choose them, and each takes memory for its weights."""


class FrozenGraphEngine:
    """Signatures of a SavedModel whose variables became constants. `run` may be called from any thread.

    State: what calls a signature, or several, is made when that is first asked for, behind a lock. It computes on the
    processor, each operation in the thread that asks.
    """

    def __init__(self, folder: Path) -> None:
        """Load what `freezing` wrote into a folder. Raises ServerError where it cannot be loaded."""
        tf = self._tf = tensorflow()
        self._signatures = read_frozen_signatures(folder)
        try:
            self._session: Any = tf.compat.v1.Session(graph=_import(tf, folder), config=_config(tf))
        except ServerError:
            raise
        except Exception as error:
            raise ServerError(f"TensorFlow cannot load {folder}: {error}"[:500]) from error
        self._calls: dict[Key, Callable[..., Sequence[Any]]] = {}
        self._making = threading.Lock()

    @property
    def signatures(self) -> Mapping[str, FrozenSignature]:
        """Those that it has."""
        return self._signatures

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """See Engine."""
        return self._run((signature,), inputs)[signature]

    def run_jointly(self, signatures: Sequence[str], inputs: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
        """See JointEngine."""
        key = tuple(signatures)
        if key not in self._calls and len(self._calls) >= len(self._signatures) + _MOST_TOGETHER:
            return {name: self.run(name, inputs) for name in signatures}
        return self._run(key, inputs)

    def close(self) -> None:
        """See Engine."""
        self._calls.clear()
        self._session.close()
        self._session = None

    def _run(self, names: Key, inputs: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
        call = self._calls.get(names) or self._make(names)
        with refusals(self._tf):
            values = iter(call(*(inputs[name] for name in self._feeds(names).values())))
        return {name: {key: _array(next(values)) for key in self._signatures[name].outputs} for name in names}

    def _feeds(self, names: Key) -> dict[str, str]:
        """Return the inputs of signatures by their tensors; signatures that take the same share them."""
        return {tensor: key for name in names for key, tensor in self._signatures[name].inputs.items()}

    def _make(self, names: Key) -> Callable[..., Sequence[Any]]:
        with self._making:
            if names not in self._calls:
                options = _callable_options(
                    feeds=list(self._feeds(names)),
                    fetches=[tensor for name in names for tensor in self._signatures[name].outputs.values()],
                    targets=[check for name in names for check in self._signatures[name].checks],
                )
                # Half the overhead of the public `make_callable`, which sorts fetches anew at every call.
                self._calls[names] = self._session._make_callable_from_options(options)  # noqa: SLF001
        return self._calls[names]


def _callable_options(*, feeds: Sequence[str], fetches: Sequence[str], targets: Sequence[str]) -> Any:
    from tensorflow.core.protobuf import config_pb2

    return config_pb2.CallableOptions(feed=feeds, fetch=fetches, target=targets)


def _import(tf: Any, folder: Path) -> Any:
    """Return the graph. In pieces, since the interpreter stands still while TensorFlow reads one: 0.5 ms for each MB."""
    graph = tf.Graph()
    tensors: dict[str, Any] = {}
    pieces = read_graph_pieces(folder)
    piece = next(pieces, b"")
    for following in pieces:
        tensors |= _import_constants(graph, piece)
        piece = following
    definition = tf.compat.v1.GraphDef.FromString(piece)
    used = {name for node in definition.node for name in node.input if name in tensors}
    with graph.as_default():
        tf.graph_util.import_graph_def(definition, name="", input_map={name: tensors[name] for name in used})
    return graph


def _import_constants(graph: Any, piece: bytes) -> dict[str, Any]:
    """Import constants into a graph. Returns their tensors, by name.

    As the public `import_graph_def` does it, but for three copies of the weights in Python.
    """
    from tensorflow.python.client import pywrap_tf_session
    from tensorflow.python.framework import c_api_util

    options = c_api_util.ScopedTFImportGraphDefOptions()
    with graph._c_graph.get() as inside, c_api_util.tf_buffer(piece) as content:  # noqa: SLF001
        results = pywrap_tf_session.TF_GraphImportGraphDefWithResults(inside, content, options.options)
        c_api_util.ScopedTFImportGraphDefResults(results)
    added = graph._add_new_tf_operations(compute_devices=False)  # noqa: SLF001
    return {operation.name: operation.outputs[0] for operation in added}


def _config(tf: Any) -> Any:
    threads = tf.config.threading
    config = tf.compat.v1.ConfigProto(
        device_count={"GPU": 0},
        intra_op_parallelism_threads=threads.get_intra_op_parallelism_threads(),
        inter_op_parallelism_threads=threads.get_inter_op_parallelism_threads(),
    )
    config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
    config.graph_options.rewrite_options.disable_meta_optimizer = True  # `freezing` has done that
    return config


def _array(value: Any) -> np.ndarray:
    return np.array(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)  # a scalar string is bytes
