"""`serving_default` and `predict`: what the model answers, and what that means."""

from collections.abc import Iterator, Mapping

import tensorflow as tf

from zoo.endpoints import Classes, Tensors, refuse_taken_names, sibling
from zoo.passport import SERVING
from zoo.signatures.signature import Signature
from zoo.signatures.subject import Subject

PREDICT = "predict"
TOP = 5
"""How many of the likeliest classes `predict` names, where there are as many."""


def serving(subject: Subject) -> Iterator[Signature]:
    """Give `serving_default`: the outputs of the model, and `class_id` and `label` for each of exclusive classes."""
    ranges = ranges_of(subject.classes)
    yield Signature(SERVING, subject.serve, subject.named.specs(), golden=subject.rows, ranges=ranges)


def predict(subject: Subject) -> Iterator[Signature]:
    """Give `predict`: what `serving_default` answers, and the likeliest classes where there are more than two.

    These are `top_k_ids` int64, `top_k_labels` string and `top_k_probabilities` float32, each (N, k), or (N, steps, k),
    the likeliest first, with k the smaller of 5 and the number of classes.

    Raises:
        ExportError: the model has an output of such a name.
    """
    several = {
        output: choice for output, choice in subject.classes.items() if choice.exclusive and len(choice.labels) > 2
    }
    refuse_taken_names(subject.answers, several, ("top_k_ids", "top_k_labels", "top_k_probabilities"))

    def answer(inputs: Tensors) -> dict[str, tf.Tensor]:
        outputs = dict(subject.serve(inputs))
        for output, choice in several.items():
            found = tf.math.top_k(outputs[output], min(TOP, len(choice.labels)))
            outputs[sibling(output, "top_k_ids")] = tf.cast(found.indices, tf.int64)
            outputs[sibling(output, "top_k_labels")] = tf.gather(tf.constant(choice.labels), found.indices)
            outputs[sibling(output, "top_k_probabilities")] = found.values
        return outputs

    ranges = ranges_of(subject.classes)
    for output, choice in several.items():
        ranges[sibling(output, "top_k_ids")] = (0, len(choice.labels) - 1)
        ranges[sibling(output, "top_k_probabilities")] = (0.0, 1.0)
    yield Signature(PREDICT, answer, subject.named.specs(), golden=subject.few(), ranges=ranges)


def ranges_of(classes: Mapping[str, Classes]) -> dict[str, tuple[float, float]]:
    """Return smallest and largest possible value of what `serving_default` answers about classes."""
    ranges: dict[str, tuple[float, float]] = {}
    for output, choice in classes.items():
        ranges[output] = (0.0, 1.0)
        ranges[sibling(output, "class_id")] = (0, len(choice.labels) - 1)
    return ranges
