"""Regression: examples in, a number each out.

Source of what a signature must be, and of the words that clients look for: TensorFlow Serving,
servables/tensorflow/regressor.cc.
"""

from collections.abc import Mapping

import numpy as np

from serving.signature import Signature, TensorSpec
from serving.status import invalid
from serving.tasks.task import Task, show_shape

OUTPUTS = "outputs"


class Regression(Task[np.ndarray]):
    """See Task. The result is float32, (examples,)."""

    noun = "regression"
    method_name = "tensorflow/serving/regress"

    def output_fault(self, signature: Signature) -> str | None:
        """See Task."""
        if len(signature.outputs) != 1:
            return "Expected one output Tensor."
        if OUTPUTS not in signature.outputs:
            return f"No regression outputs found in SignatureDef: it has no {OUTPUTS!r}."
        return None

    def result(self, outputs: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        """See Task."""
        array = outputs[OUTPUTS]
        if array.ndim != 1 and array.shape[1:] != (1,):
            raise invalid(
                f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {show_shape(array)}"
            )
        if len(array) != rows:
            raise invalid(f"Input batch size did not match output batch size: {rows} vs. {len(array)}")
        if TensorSpec.of(array).dtype != "float32":
            raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {TensorSpec.of(array).dtype}")
        return array.reshape(rows)
