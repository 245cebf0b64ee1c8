"""Signatures -> a SavedModel on the disk, and what is read back of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ExportError
from zoo.loading import COLLECTION
from zoo.passport import SignatureFacts, TensorFacts, Tolerance
from zoo.tensors import differences

if TYPE_CHECKING:
    import keras

    from zoo.signatures import Signature

Answers = dict[str, dict[str, np.ndarray]]


def save(model: "keras.Model", signatures: "Sequence[Signature]", folder: Path) -> None:
    """Write the signatures, and the variables of the model that they share.

    Raises:
        ExportError: TensorFlow cannot write there.
    """
    import tensorflow as tf

    # Keras's ExportArchive would trace and write every function twice: as a signature, and as an attribute.
    functions = {
        each.name: tf.function(
            each.function, input_signature=[dict(each.inputs)], autograph=False
        ).get_concrete_function()
        for each in signatures
    }
    root = tf.Module()
    # What Keras's variables hold, in their order, and whatever else the functions use.
    held = [variable.value for variable in model.variables]
    used = {id(each): each for function in functions.values() for each in function.variables}
    setattr(root, COLLECTION, [*held, *(each for key, each in used.items() if key not in set(map(id, held)))])
    root.tables = [
        layer
        for layer in model._flatten_layers()  # noqa: SLF001 - the only way to see nested layers
        if not layer.variables  # the others hold no resources but weights
    ]
    try:
        tf.saved_model.save(root, str(folder), signatures=functions)
    except tf.errors.OpError as error:
        raise ExportError(f"TensorFlow cannot write below {folder.parent}: {error.message}") from error
    _set_method_names(folder, {signature.name: signature.method_name for signature in signatures})


def _set_method_names(folder: Path, names: Mapping[str, str]) -> None:
    """Give each signature its method name: TensorFlow writes that of Predict for all, and offers no other."""
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.saved_model import fingerprinting_utils

    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    definitions = saved.meta_graphs[0].signature_def
    if all(definitions[name].method_name == method for name, method in names.items()):
        return
    for name, method in names.items():
        definitions[name].method_name = method
    path.write_bytes(saved.SerializeToString(deterministic=True))
    fingerprinting_utils.write_fingerprint(str(folder))


def replay(loaded: Mapping[str, Any], signatures: "Sequence[Signature]") -> tuple[dict[str, SignatureFacts], Answers]:
    """Hold what was written against what it was written from.

    Args:
        loaded: the signatures as TensorFlow reads them from the disk.
        signatures: what they were written from.

    Returns:
        Their schemas by name, and their answers to golden inputs.

    Raises:
        ExportError: an answer is not the one that the signature gives in this process.
    """
    import tensorflow as tf

    answers = {}
    for signature in signatures:
        if signature.golden is None:
            continue
        inputs = {name: tf.constant(value) for name, value in signature.golden.items()}
        expected = {name: value.numpy() for name, value in signature.function(inputs).items()}
        got = {name: value.numpy() for name, value in loaded[signature.name](**inputs).items()}
        if faults := differences(got, expected, Tolerance()):
            raise ExportError(
                f"the exported model does not answer {signature.name} as the model does: {'; '.join(faults)}"
            )
        answers[signature.name] = got
    return {signature.name: read_schema(loaded[signature.name]) for signature in signatures}, answers


def read_schema(signature: Any) -> SignatureFacts:
    """Return the names, types and shapes of a signature that TensorFlow loaded."""

    def facts(specs: Mapping[str, Any]) -> dict[str, TensorFacts]:
        return {name: TensorFacts(spec.dtype.name, tuple(spec.shape)) for name, spec in specs.items()}

    return SignatureFacts(facts(signature.structured_input_signature[1]), facts(signature.structured_outputs))
