"""Features around 0, with a standard deviation of 1."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import ConfigError
from zoo.layers.adapted import AdaptedLayer


@keras.saving.register_keras_serializable("keras_zoo")
class FeatureNormalization(AdaptedLayer):
    """`(x - mean) / standard deviation`, both of the training data; any shape in, the same out.

    Unlike `keras.layers.Normalization` it computes in float32 under mixed policies, leaves features that never change at 0
    rather than dividing by 1e-7, and refuses to be used before it was adapted.
    """

    def __init__(
        self,
        per: str = "feature",
        mean: Sequence[float] | None = None,
        variance: Sequence[float] | None = None,
        **options: Any,
    ) -> None:
        """Make the layer.

        Args:
            per: what has a mean of its own: a `feature` (entry of the last axis), each `element` of an example, or `all`.
            mean: row by row, where it is not to be found in the data.
            variance: likewise.
            **options: those of every Keras layer.
        """
        super().__init__(**options)
        self.per = per
        self.given = None if mean is None or variance is None else (list(mean), list(variance))
        self.supports_masking = True
        self._adapted = self.given is not None

    def build(self, input_shape: Any) -> None:
        """Make the weights: mean and deviation, each of the shape that has a mean of its own."""
        shape = {"feature": input_shape[-1:], "element": input_shape[1:], "all": ()}[self.per]
        mean, variance = self.given or ([0.0], [1.0])
        self.mean = self._statistic("mean", shape, np.asarray(mean))
        self.deviation = self._statistic("deviation", shape, _deviation(np.asarray(variance)))

    def _statistic(self, name: str, shape: Any, values: np.ndarray) -> Any:
        def initial(shape: Any, dtype: str | None = None) -> Any:
            return ops.convert_to_tensor(np.broadcast_to(values, math.prod(shape)).reshape(shape), dtype)

        return self.add_weight(name=name, shape=shape, initializer=initial, trainable=False)

    def call(self, inputs: Any) -> Any:
        """Normalize."""
        self.refuse_unadapted()
        return (inputs - self.mean) / self.deviation

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the same shape."""
        return input_shape

    @property
    def from_data(self) -> bool:
        """Whether mean and deviation come from data."""
        return self.given is None

    @property
    def adapted(self) -> bool:
        """Whether mean and deviation are known."""
        return self._adapted

    def fit(self, batches: Iterable[np.ndarray]) -> None:
        """Find mean and deviation (population, in float64), merging batch after batch (Chan et al., 1979)."""
        size = math.prod(self.mean.shape)
        rows, origin, mean, squares = 0, np.zeros(size), np.zeros(size), np.zeros(size)
        for batch in batches:
            values = np.asarray(batch, "float64").reshape(-1, size)
            if not rows:
                origin = values[0]  # what equals the first value becomes 0 exactly: a constant has no variance at all
            values = values - origin
            of_batch, total = values.mean(axis=0), rows + len(values)
            difference = of_batch - mean
            squares += ((values - of_batch) ** 2).sum(axis=0) + difference**2 * (rows * len(values) / total)
            mean = mean + difference * (len(values) / total)
            rows = total
        if not np.isfinite(squares).all():
            raise ConfigError(f"{self.name!r} cannot adapt to rows that hold NaN or infinity: drop them")
        deviation = _deviation(squares / max(rows, 1))
        shape = self.mean.shape
        self.restore({"mean": (origin + mean).reshape(shape), "deviation": deviation.reshape(shape)})

    def state(self) -> dict[str, np.ndarray]:
        """Return mean and deviation."""
        if not self.adapted:
            return {}
        return {"mean": ops.convert_to_numpy(self.mean), "deviation": ops.convert_to_numpy(self.deviation)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take mean and deviation."""
        self.mean.assign(np.asarray(state["mean"], "float32"))
        self.deviation.assign(np.asarray(state["deviation"], "float32"))
        self._adapted = True

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer, but for what was learnt."""
        mean, variance = self.given or (None, None)
        return {**super().get_config(), "per": self.per, "mean": mean, "variance": variance}


def _deviation(variance: np.ndarray) -> np.ndarray:
    deviation = np.sqrt(variance).astype("float32")
    return np.where(deviation >= np.finfo("float32").tiny, deviation, np.float32(1))  # below, some devices divide by 0
