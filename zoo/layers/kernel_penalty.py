"""A penalty on kernels of any rank, orthogonality included."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_zoo")
class KernelPenalty(keras.Regularizer):
    """l1 * sum|w| + l2 * sum w^2 + orthogonal * mean |cosine| between the weights of two units (the last axis).

    The last is what Keras's OrthogonalRegularizer gives for the columns of a matrix; here a kernel may have any rank, one
    column per filter, and any float type.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, orthogonal: float = 0.0) -> None:
        """Set the three factors."""
        self.l1, self.l2, self.orthogonal = l1, l2, orthogonal

    def __call__(self, x: Any) -> Any:
        """Return the penalty, a scalar."""
        penalty = self.l1 * ops.sum(ops.absolute(x)) + self.l2 * ops.sum(ops.square(x))
        units = x.shape[-1]
        if self.orthogonal and units > 1:  # one unit is orthogonal to nothing
            columns = ops.normalize(ops.reshape(x, (-1, units)), axis=0)
            cosines = ops.matmul(ops.transpose(columns), columns)
            of_pairs = ops.absolute(cosines) * (1 - ops.eye(units, dtype=cosines.dtype))  # each pair is there twice
            penalty += self.orthogonal * ops.sum(of_pairs) / (units * (units - 1))
        return penalty

    def get_config(self) -> dict[str, float]:
        """Return what makes an equal penalty."""
        return {"l1": self.l1, "l2": self.l2, "orthogonal": self.orthogonal}
