"""Classification: examples in, classes and their scores out.

Source of what a signature must be, and of the words that clients look for: TensorFlow Serving,
servables/tensorflow/classifier.cc.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from serving.signature import Signature, TensorSpec
from serving.status import invalid
from serving.tasks.task import Task, show_shape

CLASSES, SCORES = "classes", "scores"


@dataclass(frozen=True)
class Classes:
    """The classes of every example, in the order of the model."""

    labels: np.ndarray | None
    """Bytes, (examples, classes); None of a model that tells only scores."""
    scores: np.ndarray | None
    """float32, (examples, classes); None of a model that tells only labels."""


class Classification(Task[Classes]):
    """See Task."""

    noun = "classification"
    method_name = "tensorflow/serving/classify"

    def output_fault(self, signature: Signature) -> str | None:
        """See Task."""
        if len(signature.outputs) not in (1, 2):
            return f"Expected one or two output Tensors, found {len(signature.outputs)}."
        if not {CLASSES, SCORES} & signature.outputs.keys():
            return f'Expected classification signature outputs to contain at least one of "{CLASSES}" or "{SCORES}".'
        return None

    def result(self, outputs: Mapping[str, np.ndarray], rows: int) -> Classes:
        """See Task."""
        labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
        if labels is not None:
            _check(CLASSES, labels, rows, "string", "DT_STRING")
        if scores is not None:
            _check(SCORES, scores, rows, "float32", "DT_FLOAT")
        if labels is not None and scores is not None and labels.shape != scores.shape:
            raise invalid(
                f"Tensors class and score should match in dim_size(1). Got {labels.shape[1]} vs. {scores.shape[1]}"
            )
        return Classes(labels, scores)


def _check(name: str, array: np.ndarray, rows: int, dtype: str, wanted: str) -> None:
    if array.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {show_shape(array)} of {name!r}")
    if TensorSpec.of(array).dtype != dtype:
        raise invalid(f"Expected {name} Tensor of {wanted}. Got: {TensorSpec.of(array).dtype}")
    if len(array) != rows:
        raise invalid(f"Expected {name} output batch size of {rows}. Got: {len(array)}")
