"""An exponential moving average of the weights, which is often better than where they end (Polyak and Juditsky, 1992)."""

import contextlib
from collections.abc import Iterator

import keras


class AveragedWeights:
    """Keeps the average beside a model's weights. Make it inside `strategy.scope()`."""

    def __init__(self, model: keras.Model, momentum: float) -> None:
        """Start at the weights as they are.

        Args:
            model: whose trainable weights are averaged.
            momentum: what of the average stays at each step.
        """
        self._model = model
        self._momentum = momentum
        # From arrays: a keras.Variable made of a tf.Variable shares it.
        self.variables = [
            keras.Variable(variable.numpy(), trainable=False, dtype=variable.dtype, name=f"average_{number}")
            for number, variable in enumerate(model.trainable_variables)
        ]

    def update(self) -> None:
        """Move the average towards the weights: `average = momentum * average + (1 - momentum) * weight`."""
        for average, weight in zip(self.variables, self._model.trainable_variables, strict=True):
            average.assign(average.value * self._momentum + weight.value * (1 - self._momentum))

    def move(self) -> None:
        """Do as `update` does by one addition to each average, so that of several workers' at once none is lost."""
        for average, weight in zip(self.variables, self._model.trainable_variables, strict=True):
            average.value.assign_sub((average.value - weight.value) * (1 - self._momentum))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the average for its weights, for a while."""
        weights = self._model.trainable_variables
        kept = [weight.numpy() for weight in weights]
        for weight, average in zip(weights, self.variables, strict=True):
            weight.assign(average.numpy())
        try:
            yield
        finally:
            for weight, value in zip(weights, kept, strict=True):
                weight.assign(value)
