"""Makes a model.tflite of a signature of a SavedModel: done once, in a process of its own, since it takes seconds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from serving.engines.joint_function import writing_operations
from serving.tflite_file import TFLITE_FILE, first_line
from zoo.tensorflow_noise import hushed


class NotConvertibleError(Exception):
    """A signature that LiteRT cannot have."""


def convert(version: Path, tags: Iterable[str], name: str, function: Any, folder: Path) -> None:
    """Convert one signature into a folder.

    Args:
        version: folder of the SavedModel.
        tags: of its graph.
        name: of the signature.
        function: the same, loaded.
        folder: gets a model.tflite.

    Raises:
        NotConvertibleError: it keeps something between calls, or has operations that LiteRT has not.
    """
    import tensorflow as tf

    if written := writing_operations(function.graph.as_graph_def()):
        raise NotConvertibleError(f"it writes variables or tables ({', '.join(written)})")
    try:
        with hushed():
            converter = tf.lite.TFLiteConverter.from_saved_model(str(version), signature_keys=[name], tags=set(tags))
            content = converter.convert()
    except Exception as error:
        raise NotConvertibleError(f"LiteRT cannot have it: {first_line(error)}") from error
    folder.mkdir(parents=True)
    (folder / TFLITE_FILE).write_bytes(content)
