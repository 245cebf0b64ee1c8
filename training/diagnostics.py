"""Looking at a network between epochs: gradients, weights and dead units, on a sample of rows.

The steps of training know nothing of it. It is computed once per epoch or less, on this process alone, from the first
replica's copy of the weights: nothing is reduced over replicas, and nothing of the model's state changes.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.data import Split
from training.diagnosis import Diagnosis, LayerHealth
from training.loop import Loop

ROWS = 64
"""Of the sample. Enough to tell a dead unit: one that fires for one row in ten is seen with probability 0.999."""
ALWAYS = 3
"""So many diagnoses are made whatever they cost."""
SHARE = 0.01
"""Of the time of the run that later ones may take."""

_RECTIFIERS = {keras.activations.relu, keras.activations.relu6}
_log = logging.getLogger(__name__)


class Diagnostics:
    """Diagnoses a loop's model on the first rows of a split. For use from one thread, outside `strategy.run`."""

    def __init__(self, loop: Loop, split: Split, *, rows: int = ROWS) -> None:
        """Look at a loop's model with so many rows of a split."""
        self._loop = loop
        self._rows = split.between(0, rows)
        self._measure = tf.function(self._measured, autograph=False)
        self._dead: tuple[str, ...] = ()
        self._before: list[tf.Tensor] | None = None
        self._made = 0
        self._spent = self._last = 0.0
        self._broken = False

    def affordable(self, spent: float) -> bool:
        """Tell whether another diagnosis stays below a hundredth of the time of the run.

        Args:
            spent: seconds of the run so far. What TensorFlow needs to compile the first diagnosis does not count.
        """
        return not self._broken and (self._made < ALWAYS or self._spent + self._last <= SHARE * spent)

    @property
    def seconds(self) -> float:
        """How long the last diagnosis took."""
        return self._last

    def diagnose(self) -> Diagnosis | None:
        """Look at the model's weights as they are; None where this model cannot be looked at, which is logged once."""
        if self._broken:
            return None
        started = time.perf_counter()
        try:
            diagnosis = self._diagnose()
        except Exception as error:  # noqa: BLE001 - looking must not end what is looked at
            self._broken = True
            _log.warning("gradients cannot be diagnosed: %s: %s", type(error).__name__, str(error).partition("\n")[0])
            return None
        self._last = time.perf_counter() - started
        self._spent += self._last if self._made else 0.0
        self._made += 1
        return diagnosis

    def _diagnose(self) -> Diagnosis:
        weights = [tf.convert_to_tensor(variable.value) for variable in self._variables]
        gradients, norms, changes, dead = self._measure(weights, weights if self._before is None else self._before)
        known = self._before is not None
        self._before = weights
        return self._as_diagnosis(
            np.square(gradients.numpy().astype(float)),
            np.square(norms.numpy().astype(float)),
            np.square(changes.numpy().astype(float)) if known else None,
            dict(zip(self._dead, dead.numpy().tolist(), strict=True)),
        )

    @cached_property
    def _variables(self) -> list[keras.Variable]:
        return list(self._loop.model.trainable_variables)

    @cached_property
    def _batch(self) -> tuple[Any, dict[str, tf.Tensor], tuple[tf.Tensor, ...]]:
        rows = self._rows
        labels = {name: tf.constant(array) for name, array in rows.named_labels().items()}
        weights = () if rows.weights is None else (tf.constant(rows.weights, tf.float32),)
        return tf.nest.map_structure(tf.constant, rows.inputs), labels, weights

    def _measured(self, weights: list[tf.Tensor], before: list[tf.Tensor]) -> tuple[tf.Tensor, ...]:
        """Return norms by variable of gradient, weight and change, and the share of dead units by rectified layer."""
        scale = self._loop.scale.scale.value if self._loop.scale else tf.constant(1.0)
        with tf.GradientTape() as tape, _listening(self._loop.model) as heard:
            tape.watch(weights)
            # What a pass changes (moving averages, random generators) stays in the scope.
            with keras.StatelessScope(state_mapping=list(zip(self._variables, weights, strict=True))):
                loss = self._loop.mean_loss(self._batch) * scale
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self._dead = tuple(heard)
        norms = [tf.norm(tf.cast(tf.convert_to_tensor(gradient), tf.float32)) / scale for gradient in gradients]
        return (
            tf.stack(norms),
            tf.stack([tf.norm(tf.cast(weight, tf.float32)) for weight in weights]),
            tf.stack([tf.norm(tf.cast(new - old, tf.float32)) for new, old in zip(weights, before, strict=True)]),
            tf.stack([tf.reduce_mean(tf.cast(dead, tf.float32)) for dead in heard.values()] or tf.zeros(0)),
        )

    def _as_diagnosis(
        self, gradients: np.ndarray, norms: np.ndarray, changes: np.ndarray | None, dead: Mapping[str, float]
    ) -> Diagnosis:
        """Add squares up by layer."""
        numbers: dict[str, list[int]] = {}
        for number, variable in enumerate(self._variables):
            numbers.setdefault(variable.path.rpartition("/")[0], []).append(number)
        layers = {}
        for path, mine in numbers.items():
            weight = float(np.sqrt(norms[mine].sum()))
            change = None if changes is None or not weight else float(np.sqrt(changes[mine].sum())) / weight
            layers[path] = LayerHealth(float(np.sqrt(gradients[mine].sum())), weight, change, dead.get(path))
        layers |= {path: LayerHealth(dead=share) for path, share in dead.items() if path not in layers}
        kernels = {
            variable.path: (float(np.sqrt(gradients[number])), float(np.sqrt(norms[number])))
            for number, variable in enumerate(self._variables)
            if len(variable.shape) > 1
        }
        return Diagnosis(float(np.sqrt(gradients.sum())), layers, kernels, len(self._rows))


@contextlib.contextmanager
def _listening(model: keras.Model) -> Iterator[dict[str, tf.Tensor]]:
    """While a model is called, note by layer which units of the rectified layers stay 0 for every row.

    Also of layers within layers, which have no symbolic output; what runs inside a TensorFlow loop is left out.
    """
    heard: dict[str, tf.Tensor] = {}
    graph = tf.compat.v1.get_default_graph()
    layers = [layer for layer in model._flatten_layers() if _rectifies(layer)]  # noqa: SLF001 - the way to nested layers

    def listen(layer: keras.Layer) -> None:
        call = layer.call

        def call_and_note(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            if not tf.is_symbolic_tensor(output) or output.graph is graph:
                silent = tf.reduce_all(output <= 0, axis=list(range(output.shape.rank - 1)))
                name = layer.path or layer.name  # what has no weights has no path
                heard[name] = silent & heard[name] if name in heard else silent
            return output

        layer.call = call_and_note

    for layer in layers:
        listen(layer)
    try:
        yield heard
    finally:
        for layer in layers:
            del layer.call


def _rectifies(layer: keras.Layer) -> bool:
    """Tell whether what a layer gives is 0 wherever it would be negative."""
    if isinstance(layer, keras.layers.ReLU):
        return not layer.negative_slope and not layer.threshold
    if isinstance(layer, keras.layers.RNN):
        return False
    function = getattr(layer, "activation", None) or getattr(layer, "function", None)
    if isinstance(function, str):  # of a layer with arguments
        return function in {"relu", "relu6"} and not getattr(layer, "arguments", {}).get("negative_slope")
    return function in _RECTIFIERS if callable(function) else False
