"""What a layer learns from the training data before training begins: statistics, vocabularies."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from zoo.errors import NotAdaptedError


class AdaptedLayer(keras.layers.Layer):
    """Base of layers with a state that is worked out from data, or given; until then, calling one is an error.

    Its state is saved with weights, in `.keras` and in `.weights.h5` files, whether it consists of variables or not.
    """

    def __init__(self, **options: Any) -> None:
        """Options are those of every Keras layer; computes in float32 under every policy, as what comes in is raw."""
        super().__init__(**{"dtype": "float32", **options})

    @property
    @abstractmethod
    def from_data(self) -> bool:
        """Whether the state is to come from data, rather than having been given."""

    @property
    @abstractmethod
    def adapted(self) -> bool:
        """Whether the state is there."""

    @abstractmethod
    def fit(self, batches: Iterable[np.ndarray]) -> None:
        """Work the state out from batches of what comes to the layer, each (rows, ...). The last fit counts alone.

        Raises:
            ConfigError: nothing can be learnt from these.
        """

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Return what was learnt; empty where nothing was."""

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` returned."""

    def refuse_unadapted(self) -> None:
        """Raise NotAdaptedError where the state is not there."""
        if not self.adapted:
            raise NotAdaptedError(
                f"{self.name!r} has not seen the training data: call zoo.adapt(model, rows) first, "
                "or load the weights of a model that has"
            )

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """Tell what comes out; found without a call, which would need the state."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.output_dtype())

    def output_dtype(self) -> str:
        """Return the dtype of what comes out."""
        return "float32"

    def save_own_variables(self, store: Any) -> None:
        """Write the state into a weights file."""
        for name, array in self.state().items():
            store[name] = array

    def load_own_variables(self, store: Any) -> None:
        """Read the state from a weights file."""
        state = {name: np.asarray(store[name]) for name in store.keys()}  # noqa: SIM118 - no dict: it has keys() alone
        if state:
            self.restore(state)
