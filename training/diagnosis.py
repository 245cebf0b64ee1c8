"""How well signals flow through a network, in numbers, and what to make of them."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

VANISHED = 1e-4
"""Layers whose gradients are all smaller than this share of that of a later one learn nothing to speak of. In MLPs, CNNs,
LSTMs and GRUs tried, no depth came below 1e-1; eight layers of sigmoids start at 1e-5."""
EXPLODED = 1e5
"""The other way round: the gradient of a layer, in parts of that of the last layer."""
GROWN = 1e3
"""A gradient so many times its median so far is exploding (Pascanu, Mikolov and Bengio, 2013, clip at a few times the
average)."""
STEP = 1.0
"""Steps of gradient descent longer than so many times the weights they change explode. About 1e-3 is healthy; layer-wise
rates (You, Gitman and Ginsburg, 2017) keep to this ratio."""
DEAD = 0.5
"""Share of a layer's units from which on it is told that they are dead."""


@dataclass(frozen=True)
class LayerHealth:
    """One layer, measured on a sample of rows."""

    gradient: float | None = None
    """Euclidean norm of the loss's gradient by the layer's trained weights; None for a layer without any."""
    weight: float | None = None
    """Euclidean norm of these weights."""
    change: float | None = None
    """Norm of what was added to them since the last diagnosis, in parts of `weight`."""
    dead: float | None = None
    """Share of its units that are 0 for every row; None where nothing of it is rectified."""


@dataclass(frozen=True)
class Diagnosis:
    """All layers, in the order in which data flows through them."""

    gradient: float
    """Euclidean norm of the whole gradient."""
    layers: Mapping[str, LayerHealth] = field(default_factory=dict)
    kernels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By path: norms of gradient and weight of every kernel (what has two axes or more), which layers are judged by."""
    rows: int = 0
    """How many it was measured on."""


class Judge:
    """Tells in plain language when gradients vanish or explode, or units are dead; of each thing once.

    Gradients are compared between the layers of one network, as Glorot and Bengio (2010) and Bengio, Simard and Frasconi
    (1994) do, since their size alone depends on the unit of the loss.
    """

    def __init__(self, *, clipped_to: float | None = None) -> None:
        """Start without knowing anything.

        Args:
            clipped_to: what the norm of the gradient is cut to before a step is taken.
        """
        self._clipped_to = clipped_to
        self._norms: list[float] = []
        self._told: set[str] = set()

    def judge(self, diagnosis: Diagnosis, *, rate: float | None = None, started: bool = True) -> tuple[str, ...]:
        """Return what to tell now.

        Args:
            diagnosis: the newest.
            rate: at which steps of plain gradient descent are taken; None for optimizers whose steps do not grow with the
                gradient.
            started: whether any step was taken; before, layers that begin at 0 may rightly have no gradient.
        """
        found = [_broken(diagnosis), self._too_long(diagnosis, rate), self._grown(diagnosis)]
        if started:
            found += [_vanished(diagnosis), _exploded(diagnosis), _dead(diagnosis)]
        if math.isfinite(diagnosis.gradient):
            self._norms.append(diagnosis.gradient)
        news = [(kind, text) for kind, text in filter(None, found) if kind not in self._told]
        self._told |= {kind for kind, _ in news}
        return tuple(text for _, text in news)

    def _too_long(self, diagnosis: Diagnosis, rate: float | None) -> tuple[str, str] | None:
        if rate is None or not math.isfinite(diagnosis.gradient):
            return None
        cut = 1.0
        if self._clipped_to is not None and diagnosis.gradient > self._clipped_to:
            cut = self._clipped_to / diagnosis.gradient
        for path, (gradient, weight) in diagnosis.kernels.items():
            step = rate * gradient * cut
            if weight and step > STEP * weight:
                return "step", (
                    f"gradients explode: a step at the learning rate {rate:g} changes {path} by {step / weight:.3g} times "
                    "what it is: lower optimizer.learning_rate, set optimizer.global_clipnorm, or scale inputs and labels"
                )
        return None

    def _grown(self, diagnosis: Diagnosis) -> tuple[str, str] | None:
        usual = statistics.median(self._norms) if self._norms else 0.0
        if len(self._norms) < 2 or diagnosis.gradient <= GROWN * usual or not usual:
            return None
        return "grown", (
            f"gradients explode: their norm is {diagnosis.gradient:.3g}, {diagnosis.gradient / usual:.3g} times what it was "
            "before: set optimizer.global_clipnorm or lower optimizer.learning_rate"
        )


def _broken(diagnosis: Diagnosis) -> tuple[str, str] | None:
    if math.isfinite(diagnosis.gradient):
        return None
    paths = [path for path, (gradient, _) in diagnosis.kernels.items() if not math.isfinite(gradient)]
    where = f", first in {paths[0]}" if paths else ""
    return "broken", (
        f"gradients explode: they are no numbers any more{where}: lower optimizer.learning_rate or set "
        "optimizer.global_clipnorm"
    )


def _vanished(diagnosis: Diagnosis) -> tuple[str, str] | None:
    """Find a depth before which no layer gets any gradient: a query that is small amid others has not vanished."""
    kernels = _finite_kernels(diagnosis)
    for number in range(len(kernels) - 1, 0, -1):
        early, later = max(norm for _, norm in kernels[:number]), max(norm for _, norm in kernels[number:])
        if early < VANISHED * later:
            path = kernels[number - 1][0]
            upto = path if number == 1 else f"all layers up to {path}"
            return "vanished", (
                f"gradients vanish: that of {upto} is {_share(early / later)} of that of later layers, so they hardly "
                "learn: use relu or gelu in place of sigmoid or tanh, a normalization, residual connections or fewer layers"
            )
    return None


def _exploded(diagnosis: Diagnosis) -> tuple[str, str] | None:
    kernels = _finite_kernels(diagnosis)
    if not kernels or not kernels[-1][1]:
        return None
    last = kernels[-1][1]
    for path, gradient in kernels[:-1]:
        if gradient > EXPLODED * last:
            return "exploded", (
                f"gradients explode on their way back: that of {path} is {gradient / last:.3g} times that of the last "
                "layer: use a normalization or smaller initial weights (he_normal for relu, glorot_uniform else)"
            )
    return None


def _dead(diagnosis: Diagnosis) -> tuple[str, str] | None:
    dead = {
        path: layer.dead for path, layer in diagnosis.layers.items() if layer.dead is not None and layer.dead > DEAD
    }
    if not dead:
        return None
    path = max(dead, key=lambda path: dead[path])
    others = f" (and many in {len(dead) - 1} more)" if len(dead) > 1 else ""
    return "dead", (
        f"{dead[path]:.0%} of the units of {path} are dead, 0 for each of {diagnosis.rows} rows{others}: lower "
        "optimizer.learning_rate, use leaky_relu or gelu, or a normalization"
    )


def _finite_kernels(diagnosis: Diagnosis) -> Sequence[tuple[str, float]]:
    return [(path, gradient) for path, (gradient, _) in diagnosis.kernels.items() if math.isfinite(gradient)]


def _share(value: float) -> str:
    return f"one part in {1 / value:,.0f}" if value else "nothing"
