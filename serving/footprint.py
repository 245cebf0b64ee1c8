"""What a version will take in memory, told by its files: the same each time, and known before anything is loaded.

What the process grows by cannot be had per version: others compute and load meanwhile, and an allocator keeps what was freed
for the next load, which then seems to take nothing. So it was measured once, one model after the other in a fresh process
(TensorFlow 2.21 on x86-64): weights take what their files do, a graph far more. docs/decisions/0023 has the figures.
"""

from collections.abc import Iterable
from pathlib import Path

from google.protobuf.message import DecodeError

from serving.file_content import read_content
from serving.protos.graph_pb2 import Graph, GraphsFile
from serving.saved_model import SAVED_MODEL_FILE
from serving.status import ServerError
from serving.tflite_file import TFLITE_FILE

_BYTES_PER_OPERATION = 32 << 10
"""Found: 6,000 to 46,000, over half of the models 23,000 to 37,000."""
_TIMES_FROZEN = 9
"""What a byte of saved_model.pb takes; it is most of the file where weights are constants of the graph."""


def saved_model_bytes(version: Path) -> int:
    """Return what the SavedModel in a version folder takes once TensorFlow has loaded it; of several graphs, the largest.

    Raises:
        ServerError: it cannot be read.
    """
    path = version / SAVED_MODEL_FILE
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ServerError(f"{version} is not a whole SavedModel: there is no file {SAVED_MODEL_FILE}")
        content = read_content(path)
        weights = _size([*version.glob("variables/*"), *version.glob("assets/*")])
        graphs = GraphsFile.FromString(content).graphs
    except OSError as error:
        raise ServerError(f"{version} cannot be read: {error.strerror}") from None
    except DecodeError:
        raise ServerError(f"{path} is not a SavedModel, or is cut short") from None
    operations = max((_operations(each.graph) for each in graphs), default=0)
    return weights + len(content) * _TIMES_FROZEN + operations * _BYTES_PER_OPERATION


def tflite_bytes(version: Path, interpreters: int) -> int:
    """Return what the model.tflite in a version folder takes: its content, and the weights once more per interpreter.

    Raises:
        ServerError: it cannot be read.
    """
    try:
        return _size([version / TFLITE_FILE]) * (1 + interpreters)
    except OSError as error:
        raise ServerError(f"{version} has no model to read: {error.strerror}: {TFLITE_FILE}") from None


def _operations(graph: Graph) -> int:
    return len(graph.operations) + sum(len(function.operations) for function in graph.library.functions)


def _size(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)
