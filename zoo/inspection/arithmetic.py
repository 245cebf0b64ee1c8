"""Spelling out how many weights a layer has: `784 x 16 weights + 16 biases`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

_WORDS = {
    "kernel": "weights",
    "bias": "biases",
    "depthwise_kernel": "depthwise weights",
    "pointwise_kernel": "pointwise weights",
    "gamma": "scale",
    "beta": "offset",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "alpha": "slopes",
}
"""What the weights of Keras's layers are called in words; others keep their name."""
_GATES = {keras.layers.LSTM: 4, keras.layers.GRU: 3, keras.layers.SimpleRNN: 1}
"""Linear functions in a recurrent cell: those of an LSTM make its three gates and the new state (Hochreiter, 1997)."""


@dataclass(frozen=True)
class Product:
    """`3 x 3 x 32 weights`; a factor may be a sum."""

    factors: tuple[int | Sum, ...]
    words: str = ""

    @property
    def value(self) -> int:
        """What it comes to."""
        return math.prod(factor if isinstance(factor, int) else factor.value for factor in self.factors)

    def __str__(self) -> str:
        text = " x ".join(str(factor) if isinstance(factor, int) else f"({factor})" for factor in self.factors)
        return f"{text} {self.words}".rstrip()


@dataclass(frozen=True)
class Sum:
    """`(8 + 64) x 64 weights + 64 biases`."""

    terms: tuple[Product, ...]

    @property
    def value(self) -> int:
        """What it comes to."""
        return sum(term.value for term in self.terms)

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms))


def spell(layer: keras.Layer) -> str:
    """Return how the weights of a layer are counted, in words that are arithmetic; empty where it has none.

    With the words and the names in brackets left out, and `x` for times, it evaluates to `layer.count_params()`.
    """
    if not layer.weights:
        return ""
    spelled = _recurrent(layer)
    if spelled is None or spelled.value != sum(math.prod(weight.shape) for weight in layer.weights):
        spelled = _by_weight(layer)  # always right: it is made of the weights themselves
    return str(spelled)


def _recurrent(layer: keras.Layer) -> Sum | None:
    if isinstance(layer, keras.layers.Bidirectional):
        inner = _recurrent(layer.forward_layer)
        return None if inner is None else Sum((Product((2, inner)),))
    gates = next((gates for kind, gates in _GATES.items() if isinstance(layer, kind)), None)
    if gates is None:
        return None
    kernel = layer.cell.kernel.shape
    units = layer.units
    terms = [Product((Sum((Product((kernel[0],)), Product((units,)))), units), "weights")]
    if layer.use_bias:
        # GRU keeps one bias for the input and one for the state (`reset_after`), as cuDNN does.
        terms.append(Product((*([2] if len(layer.cell.bias.shape) == 2 else []), units), "biases"))
    return Sum((Product((gates, Sum(tuple(terms)))),) if gates > 1 else tuple(terms))


def _by_weight(layer: keras.Layer) -> Sum:
    """One term for each weight; parts of a layer with weights of the same shapes count together."""
    paths = [weight.path.split("/")[:-1] for weight in layer.weights]
    depth = len(_common(paths))
    parts: dict[tuple[str, ...], list[Any]] = {}
    for path, weight in zip(paths, layer.weights, strict=True):
        parts.setdefault(tuple(path[depth:]), []).append(weight)
    alike: dict[tuple[tuple[str, ...], Sum], list[str]] = {}
    for part, weights in parts.items():
        alike.setdefault((part[:-1], Sum(tuple(_terms(weights)))), []).append(part[-1] if part else "")
    terms: list[Product] = []
    for (whole, total), names in alike.items():
        label = _label(whole, names)
        if len(names) > 1:
            terms.append(Product((len(names), total), label))
        else:
            last = total.terms[-1]
            terms.extend((*total.terms[:-1], Product(last.factors, f"{last.words} {label}".strip())))
    return Sum(tuple(terms))


def _label(whole: Sequence[str], names: Sequence[str]) -> str:
    """Return `(attention: query, key)`; nothing for the layer's own weights."""
    words = ", ".join(name.replace("_", " ") for name in names)
    place = " ".join(whole).replace("_", " ")
    return f"({place}: {words})" if place else f"({words})" if words else ""


def _terms(weights: Sequence[Any]) -> list[Product]:
    vectors = [weight for weight in weights if len(weight.shape) == 1]
    same = len({weight.shape for weight in vectors}) == 1 and len(vectors) == len(weights) > 1
    if same:  # a normalization
        names = ", ".join(_word(weight) for weight in weights)
        return [Product((len(weights), *weights[0].shape), f"({names})")]
    return [Product(tuple(weight.shape) or (1,), _word(weight)) for weight in weights]


def _word(weight: Any) -> str:
    return _WORDS.get(weight.name, weight.name.replace("_", " "))


def _common(paths: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return what all paths begin with."""
    shared = []
    for names in zip(*paths, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return shared
