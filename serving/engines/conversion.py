"""Makes a model.tflite of a signature of a SavedModel: done once, in a process of its own, since it takes seconds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.engines.joint_function import operations, writing_operations
from serving.tflite_file import TFLITE_FILE, first_line
from zoo.tensorflow_noise import hushed


class NotConvertibleError(Exception):
    """A signature that LiteRT cannot have."""


def convert(function: Any, folder: Path) -> None:
    """Convert one signature into a folder, whose model.tflite then has it under the default name.

    Args:
        function: the signature, loaded.
        folder: gets a model.tflite.

    Raises:
        NotConvertibleError: it keeps something between calls, or has operations that LiteRT has not.
    """
    graph = function.graph.as_graph_def()
    if written := writing_operations(graph):
        raise NotConvertibleError(f"it writes variables or tables ({', '.join(written)})")
    if "Assert" in operations(graph):
        raise NotConvertibleError("it checks values, which LiteRT does not do")
    specs, outputs = function.structured_input_signature[1], function.structured_outputs
    if both := sorted(specs.keys() & outputs.keys()):
        raise NotConvertibleError(f"an input and an output are both called {both[0]!r}")
    try:
        with hushed():
            content = _converter(function, specs).convert()
    except Exception as error:
        raise NotConvertibleError(f"LiteRT cannot have it: {first_line(error)}") from error
    folder.mkdir(parents=True)
    (folder / TFLITE_FILE).write_bytes(content)


def _converter(function: Any, specs: Mapping[str, Any]) -> Any:
    """Return a converter of this signature alone: beside a table of another one, TensorFlow's of files converts nothing."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def answer(**inputs: Any) -> Any:
        return function(**inputs)

    variables = tf.Module()
    variables.held = list(function.variables)
    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()}
    return tf.lite.TFLiteConverter.from_concrete_functions([answer.get_concrete_function(**named)], variables)
