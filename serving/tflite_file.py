"""A model.tflite: opens it, and reads its signatures; the sibling of `saved_model.py`."""

import importlib.util
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.codec import CodecError, encode
from serving.file_content import read_content
from serving.protos import prediction_pb2, tensor_pb2
from serving.signature import DEFAULT_SIGNATURE
from serving.status import ServerError
from zoo.artifact import PASSPORT, read_passport
from zoo.passport import TensorFacts

TFLITE_FILE = "model.tflite"
_PREDICT = "tensorflow/serving/predict"


class TFLiteFile:
    """The content of a file, in memory. Immutable; any thread may use it.

    Not mapped from the disk: a file that is cut short while it is mapped ends the process.
    """

    def __init__(self, version: Path) -> None:
        """Read the file of a version folder. Raises ServerError where it cannot be read."""
        self.path = version / TFLITE_FILE
        if self.path.exists() and not self.path.is_file():  # a pipe would be waited for
            raise ServerError(f"{self.path} is not a file")
        try:
            self._content = read_content(self.path)
        except OSError as error:
            raise ServerError(f"{version} has no model to read: {error.strerror}: {self.path.name}") from None

    def interpreter(self, *, fast: bool = True, threads: int = 1) -> Any:
        """Return a new interpreter: of `ai_edge_litert` where that is installed, else the one in TensorFlow.

        Args:
            threads: that compute one call.
            fast: whether it computes by XNNPACK; else by LiteRT's own kernels, which take wrong shapes better.

        Raises:
            ServerError: the content is none of LiteRT's, or uses operations that it does not have.
        """
        # Not in `catch_warnings`, which threads that make interpreters at once would undo for one another.
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        make, resolvers = _interpreter_class()
        resolver = resolvers.AUTO if fast else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            return make(model_content=self._content, num_threads=threads, experimental_op_resolver_type=resolver)
        except (ValueError, RuntimeError) as error:
            raise ServerError(f"LiteRT cannot load {self.path}: {first_line(error)}") from error


def read_tflite_signature_defs(version: Path) -> prediction_pb2.SignatureDefMap:
    """Return the signatures of the model.tflite in a version folder.

    A file without any has one under the default name, whose inputs and outputs are called as their tensors are. Shapes are
    those of the passport where the version has one: the file forgets which axes of an output are free.

    Raises:
        ServerError: there is no such file, or it cannot be read.
        ArtifactError: the passport cannot be read.
    """
    interpreter = TFLiteFile(version).interpreter()
    found = prediction_pb2.SignatureDefMap()
    facts = _facts(version)
    for name, (inputs, outputs) in tensors_by_signature(interpreter).items():
        definition = found.signature_def[name]
        definition.method_name = _PREDICT
        is_batched = any(list(details["shape_signature"][:1]) == [-1] for details in inputs.values())
        for key, details in inputs.items():
            _describe(definition.inputs[key], details, facts.get(key))
        for key, details in outputs.items():
            _describe(definition.outputs[key], details, facts.get(key), free_rows=is_batched)
    return found


Tensors = Mapping[str, Mapping[str, Any]]
"""What LiteRT tells of tensors, by the name that clients use."""


def tensors_by_signature(interpreter: Any) -> dict[str, tuple[Tensors, Tensors]]:
    """Return the inputs and outputs of each signature. Raises ServerError where names stand for several tensors."""
    try:
        runners = {name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}
        if runners:
            return {name: (runner.get_input_details(), runner.get_output_details()) for name, runner in runners.items()}
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    except (ValueError, RuntimeError) as error:  # names that are no text, for one
        raise ServerError(f"LiteRT cannot tell the signatures of the file: {first_line(error)}") from error
    return {DEFAULT_SIGNATURE: (_by_name(inputs), _by_name(outputs))}


def is_whole_file(interpreter: Any, inputs: Tensors, outputs: Tensors) -> bool:
    """Tell whether a signature is of the graph that a file begins with, and takes and gives all that it does."""
    pairs = ((inputs, interpreter.get_input_details()), (outputs, interpreter.get_output_details()))
    return all(_identities(named.values()) == _identities(all_of_them) for named, all_of_them in pairs)


def _identities(tensors: Iterable[Mapping[str, Any]]) -> set[tuple[int, str]]:
    return {(int(details["index"]), str(details["name"])) for details in tensors}


def first_line(error: Exception) -> str:
    """Return the first line of what LiteRT complains about."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def _interpreter_class() -> tuple[Any, Any]:
    """Return the class of interpreters, and the names of what they may compute by."""
    if importlib.util.find_spec("ai_edge_litert") is not None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        return Interpreter, OpResolverType
    import tensorflow as tf

    return tf.lite.Interpreter, tf.lite.experimental.OpResolverType


def _by_name(tensors: list[Mapping[str, Any]]) -> Tensors:
    """Return tensors by their names, in which TensorFlow numbers the outputs of an operation: `x:0` is `x`."""
    found = {details["name"].partition(":")[0]: details for details in tensors}
    if len(found) == len(tensors):
        return found
    found = {details["name"]: details for details in tensors}
    if len(found) < len(tensors):
        raise ServerError(f"tensors of the same name: {', '.join(details['name'] for details in tensors)}")
    return found


def _facts(version: Path) -> Mapping[str, TensorFacts]:
    if not (version / PASSPORT).exists():
        return {}
    for variant in read_passport(version).variants.values():
        if variant.file == TFLITE_FILE:
            return {**variant.inputs, **variant.outputs}
    return {}


def _describe(
    info: tensor_pb2.TensorInfo, details: Mapping[str, Any], facts: TensorFacts | None, *, free_rows: bool = False
) -> None:
    info.name = details["name"]
    info.dtype = _dtype_code(np.dtype(details["dtype"]))
    shape = [int(size) for size in details["shape_signature"]]
    if facts is not None:
        shape = [-1 if size is None else size for size in facts.shape]
    elif free_rows and shape:
        shape[0] = -1
    info.tensor_shape.dim.extend(tensor_pb2.TensorShapeProto.Dim(size=size) for size in shape)


def _dtype_code(dtype: np.dtype) -> "tensor_pb2.DataType":
    try:
        return encode(np.empty(0, dtype)).dtype
    except CodecError:
        return tensor_pb2.DT_INVALID
