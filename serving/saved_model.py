"""Reads the signatures of a SavedModel from its file alone, so that no engine is needed to know what it takes."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

from google.protobuf.message import DecodeError

from serving.file_content import read_content
from serving.protos import prediction_pb2, tensor_pb2
from serving.status import ServerError

SERVE_TAG = "serve"
SAVED_MODEL_FILE = "saved_model.pb"
_INTERNAL = "__saved_model"  # TensorFlow keeps its initialisers among the signatures under such names


def read_signature_defs(
    version: Path, tags: AbstractSet[str] = frozenset({SERVE_TAG})
) -> prediction_pb2.SignatureDefMap:
    """Return the signatures of a version folder as they are stored.

    Args:
        version: what holds a SavedModel.
        tags: of its graphs, the one that has these; see `read_graph`.

    Raises:
        ServerError: there is no SavedModel, it cannot be read, or it has nothing to serve.
    """
    found = prediction_pb2.SignatureDefMap()
    for name, definition in read_graph(version, tags).signature_def.items():
        if not name.startswith(_INTERNAL):
            found.signature_def[name].CopyFrom(definition)
    if not found.signature_def:
        raise ServerError(
            f"{version / SAVED_MODEL_FILE} has no signature to serve (tag {', '.join(map(repr, sorted(tags)))})"
        )
    return found


def read_graph(version: Path, tags: AbstractSet[str] = frozenset({SERVE_TAG})) -> tensor_pb2.MetaGraphDef:
    """Return the graph of a SavedModel that has these tags and no others; or else the only one that has these and others.

    Raises:
        ServerError: there is no SavedModel, it cannot be read, or it has no such graph.
    """
    path = version / SAVED_MODEL_FILE
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ServerError(f"{path} is not a file")
    try:
        graphs = tensor_pb2.SavedModel.FromString(read_content(path)).meta_graphs
    except OSError as error:
        raise ServerError(f"{version} is not a whole SavedModel: {error.strerror}: {path.name}") from None
    except DecodeError:
        raise ServerError(f"{path} is not a SavedModel, or is cut short") from None
    exact = [graph for graph in graphs if set(graph.meta_info_def.tags) == tags]
    wider = [graph for graph in graphs if set(graph.meta_info_def.tags) > tags]
    if exact or len(wider) == 1:
        return (exact or wider)[0]
    there_are = "; ".join(_show(graph.meta_info_def.tags) for graph in graphs) or "none"
    raise ServerError(
        f"Could not find meta graph def matching supplied tags: {_show(tags)}. {path} has {there_are}; "
        "--saved_model_tags says which to load"
    )


def _show(tags: Iterable[str]) -> str:
    return f"{{ {' '.join(sorted(tags))} }}"
