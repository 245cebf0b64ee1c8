"""What an exported model answers: stable names for a Keras model's inputs and outputs, and a function per signature."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.errors import ExportError
from zoo.passport import SignatureFacts

if TYPE_CHECKING:
    import tensorflow as tf

Tensors = Mapping[str, "tf.Tensor"]
Endpoint = Callable[[Tensors], "dict[str, tf.Tensor]"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Keras numbers these anew in every process: a client that learnt one today would fail tomorrow.
_UNSTABLE = re.compile(r"keras_tensor(_\d+)?|input_layer(_\d+)?|(input|output)_\d+")


@dataclass(frozen=True)
class Classes:
    """How the probabilities of one output become a class."""

    labels: tuple[str, ...]
    exclusive: bool
    """False for several independent sigmoids: there is no one class then."""


def is_probabilities(output: str) -> bool:
    """Tell whether an output of this name holds probabilities of classes."""
    return output == "probabilities" or output.endswith("_probabilities")


def sibling(output: str, name: str) -> str:
    """Return the name of what belongs to an output of probabilities: `label`, or `<head>_label`."""
    return output.removesuffix("probabilities") + name


class NamedModel:
    """A Keras model seen through stable names: dict in, dict out, float32 instead of half precision."""

    def __init__(
        self, model: keras.Model, input_names: Sequence[str] | None, output_names: Sequence[str] | None
    ) -> None:
        """See `zoo.export` for the arguments and the errors raised."""
        if not getattr(model, "inputs", None):
            raise ExportError(
                f"{model.name!r} has no known inputs: start it with keras.Input, or wrap it: "
                "inputs = keras.Input(shape, name=...); keras.Model(inputs, model(inputs))"
            )
        self.model = model
        self.inputs = dict(zip(_input_names(model, input_names), model.inputs, strict=True))
        outputs = _structure(model, "output")
        found = list(outputs) if isinstance(outputs, Mapping) else []
        count = len(found) or len(keras.tree.flatten(outputs))
        self._output_keys = found
        self.outputs = _names("output", found or [f"output_{i}" for i in range(count)], output_names)
        for name, tensor in self.inputs.items():
            if tensor.shape[0] is not None:
                raise ExportError(
                    f"input {name!r} has a fixed batch of {tensor.shape[0]}: build the model without batch_size"
                )

    def specs(self) -> "dict[str, tf.TensorSpec]":
        """Return the TensorSpec of every input."""
        import tensorflow as tf

        return {name: tf.TensorSpec(x.shape, x.dtype, name=name) for name, x in self.inputs.items()}

    def __call__(self, inputs: Tensors) -> "dict[str, tf.Tensor]":
        """Answer as the model does at inference."""
        return self.with_parts(inputs, {})[0]

    def with_parts(
        self, inputs: Tensors, parts: Mapping[str, keras.KerasTensor]
    ) -> "tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]":
        """Answer as the model does at inference; and tensors within it that `computes` holds of, by the names given here."""
        model, outputs = self.model, _structure(self.model, "output")
        if parts:
            model = keras.Model(_structure(model, "input"), [outputs, dict(parts)])
        packed = keras.tree.pack_sequence_as(_structure(self.model, "input"), [inputs[name] for name in self.inputs])
        answers, found = model(packed, training=False) if parts else (model(packed, training=False), {})
        values = [answers[key] for key in self._output_keys] if self._output_keys else keras.tree.flatten(answers)
        named = zip(self.outputs, values, strict=True)
        return {name: _full_precision(x) for name, x in named}, {name: _full_precision(x) for name, x in found.items()}

    def output_of(self, key: str) -> str:
        """Return the name of the output that the model itself gives under a key."""
        return self.outputs[self._output_keys.index(key)]

    def computes(self, tensor: object) -> bool:
        """Tell whether a layer's output is one tensor that follows from the model's inputs."""
        if not isinstance(tensor, keras.KerasTensor):
            return False
        try:
            keras.Model(_structure(self.model, "input"), tensor)
        except ValueError:  # of a layer that was also called on something else
            return False
        return True


def run(endpoint: Endpoint, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the answers to rows of input by name."""
    import tensorflow as tf

    return {name: value.numpy() for name, value in endpoint({k: tf.constant(v) for k, v in rows.items()}).items()}


def with_classes(endpoint: Endpoint, classes: Mapping[str, Classes]) -> Endpoint:
    """Return an endpoint that also answers `class_id` (int64) and `label` (string), each (N,), per output in `classes`."""
    import tensorflow as tf

    def answer(inputs: Tensors) -> "dict[str, tf.Tensor]":
        outputs = dict(endpoint(inputs))
        for output, choice in classes.items():
            if not choice.exclusive:
                continue
            probabilities = outputs[output]
            if probabilities.shape[-1] == 1:
                class_id = tf.cast(probabilities[..., 0] >= 0.5, tf.int64)
            else:
                class_id = tf.argmax(probabilities, axis=-1, output_type=tf.int64)
            outputs[sibling(output, "class_id")] = class_id
            outputs[sibling(output, "label")] = tf.gather(tf.constant(choice.labels), class_id)
        return outputs

    return answer


def find_classes(
    answers: Mapping[str, np.ndarray],
    names: Sequence[str] | Mapping[str, Sequence[str]] | None,
    kinds: Mapping[str, str],
) -> dict[str, Classes]:
    """Work out the classes behind every output of probabilities.

    Args:
        answers: the model's outputs for some rows; where `kinds` does not tell, rows that sum to 1 are a softmax.
        names: the labels given by the caller.
        kinds: the kind of head by output, as far as known.

    Raises:
        ExportError: labels were given for an output that has none, or not as many as there are classes; or an output has
            the name of what `with_classes` adds to another.
    """
    outputs = [name for name in answers if is_probabilities(name)]
    if names is not None and not isinstance(names, Mapping):
        if not outputs:
            raise ExportError(f"class_names were given, but no output holds probabilities: {', '.join(answers)}")
        names = dict.fromkeys(outputs, names)
    given = dict(names or {})
    for output in given:
        if output not in outputs:
            raise ExportError(
                f"class_names names {output!r}, which is no output of probabilities: {', '.join(outputs)}"
            )
    classes = {}
    for output in outputs:
        if answers[output].ndim < 2:
            raise ExportError(
                f"{output} has shape (N,), expected (N, classes) or (N, 1): reshape it, or name it otherwise"
            )
        units = answers[output].shape[-1]
        count = 2 if units == 1 else units
        labels = tuple(_label(output, label) for label in given.get(output, range(count)))
        if len(labels) != count:
            raise ExportError(
                f"{output} tells {count} classes apart, but {len(labels)} class names were given: {labels[:12]}"
            )
        kind = kinds.get(output) or _kind_of(answers[output])
        classes[output] = Classes(labels, exclusive=units == 1 or kind == "softmax")
    refuse_taken_names(answers, classes, ("class_id", "label"))
    return classes


def _label(output: str, label: object) -> str:
    try:
        text = label.decode() if isinstance(label, bytes) else str(label)
        text.encode()
    except UnicodeError:
        raise ExportError(f"{output}: the class name {label!r:.60} is not UTF-8: give text") from None
    return text


def refuse_taken_names(outputs: Collection[str], classes: Mapping[str, Classes], added: Sequence[str]) -> None:
    """Raise ExportError where the model has an output with the name of what is added to one of exclusive classes."""
    for output in (output for output, choice in classes.items() if choice.exclusive):
        for name in (sibling(output, each) for each in added):
            if name in outputs:
                raise ExportError(
                    f"the model's own output {name!r} has the name of what is added to {output!r}: "
                    f"rename one of them with output_names=[...], in the order {', '.join(outputs)}"
                )


def _kind_of(probabilities: np.ndarray) -> str:
    return "softmax" if np.allclose(probabilities.sum(axis=-1), 1, atol=1e-3) else "sigmoid"


def _structure(model: keras.Model, side: str) -> object:
    """Return the tensors on one side of a model as it nests them; a Sequential model only has a list of them."""
    if isinstance(model, keras.Sequential):
        return getattr(model, side + "s")[0]
    return getattr(model, side)


def _input_names(model: keras.Model, given: Sequence[str] | None) -> list[str]:
    return _names("input", [tensor.name for tensor in model.inputs], given)


def _names(what: str, found: Sequence[str], given: Sequence[str] | None) -> list[str]:
    names = list(found if given is None else given)
    if len(names) != len(found):
        raise ExportError(f"the model has {len(found)} {what}s, but {what}_names has {len(names)}: {', '.join(names)}")
    if len(set(names)) < len(names):
        raise ExportError(f"every {what} needs a name of its own, got {', '.join(names)}")
    for name in names:
        if given is None and _UNSTABLE.fullmatch(name):
            raise ExportError(
                f"{what} {name!r} has no stable name (Keras numbers it anew in every process): "
                f"pass {what}_names=[...] with {len(names)} name{'s' if len(names) > 1 else ''}"
            )
        if not _IDENTIFIER.fullmatch(name):
            raise ExportError(f"{what} {name!r}: a name has letters, digits and '_' only; pass {what}_names=[...]")
    return names


def refuse_unstable(named: NamedModel, signatures: Mapping[str, SignatureFacts]) -> None:
    """Raise ExportError where a signature, or what it takes or gives, has a name that may be another one tomorrow."""
    for signature, facts in signatures.items():
        for name in {signature, *facts.inputs, *facts.outputs} - {*named.inputs, *named.outputs}:
            if _UNSTABLE.fullmatch(name) or not _IDENTIFIER.fullmatch(name):
                raise ExportError(
                    f"signature {signature!r}: {name!r} is no stable name, which has letters, digits and '_' and is not "
                    "one that Keras numbers anew in every process: rename it"
                )


def _full_precision(value: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    return tf.cast(value, tf.float32) if value.dtype in (tf.float16, tf.bfloat16) else value
