"""Where each regularizer goes: penalties and constraints on kernels, normalization before activations, dropout after."""

import inspect
from typing import Any

import keras

from zoo.config import ConstraintConfig, RegularizationConfig
from zoo.config.model import DEFAULT_GROUPS
from zoo.keras_names import call, find
from zoo.layers.kernel_penalty import KernelPenalty
from zoo.layers.stochastic_depth import StochasticDepth

BATCH_NORM_MOMENTUM = 0.9
"""Keras's own 0.99 leaves the running statistics far behind in the few hundred steps that small data sets take."""
CENTRED = {"batch", "layer", "group"}
"""Normalizations that subtract the mean and add a learnt offset, so that a bias before them has no effect."""


def kernel_regularizer(config: RegularizationConfig) -> keras.Regularizer | None:
    """Return the penalty on kernels, or None where there is none. Biases are never penalised."""
    if config.orthogonal:
        return KernelPenalty(config.l1, config.l2, config.orthogonal)
    if config.l1 or config.l2:
        return keras.regularizers.L1L2(l1=config.l1, l2=config.l2)
    return None


def kernel_constraint(
    config: ConstraintConfig | None, rank: int, *, depthwise: bool = False
) -> keras.constraints.Constraint | None:
    """Return the constraint on the incoming weights of every unit, or None where there is none.

    Args:
        config: which one.
        rank: of the kernel; its last axis is the units, those before are what a unit sees.
        depthwise: the last two axes are units.
    """
    if config is None:
        return None
    found = find("constraint", config.kind, keras.constraints)
    arguments: dict[str, Any] = config.arguments
    if "axis" in inspect.signature(found).parameters:
        arguments = {"axis": list(range(rank - (2 if depthwise else 1))), **arguments}
    return call("constraint", config.kind, found, arguments)


def check_constraint(config: ConstraintConfig) -> None:
    """Raise ConfigError unless there is such a constraint and it takes these arguments."""
    kernel_constraint(config, rank=2)


def normalize(x: keras.KerasTensor, config: RegularizationConfig, name: str | None = None) -> keras.KerasTensor:
    """Apply the chosen normalization over the channels, the last axis; x itself where there is none."""
    layers = keras.layers
    match config.normalization:
        case None:
            return x
        case "batch":
            return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=name)(x)
        case "layer":
            return layers.LayerNormalization(name=name)(x)
        case "group":
            return layers.GroupNormalization(config.groups or DEFAULT_GROUPS, name=name)(x)
        case "rms":
            return layers.RMSNormalization(name=name)(x)


def drop(x: keras.KerasTensor, config: RegularizationConfig, name: str | None = None) -> keras.KerasTensor:
    """Apply dropout where it is on."""
    return keras.layers.Dropout(config.dropout, name=name)(x) if config.dropout else x


def skip_by_chance(
    x: keras.KerasTensor, config: RegularizationConfig, *, branch: int, branches: int, name: str | None = None
) -> keras.KerasTensor:
    """Apply stochastic depth to a residual branch, where it is on.

    Args:
        x: what the branch adds.
        config: with the chance of the last branch.
        branch: the number of this one, from 0; the chance falls linearly to 0 at a (left out) branch -1.
        branches: how many there are.
        name: of the layer.
    """
    rate = config.stochastic_depth * (branch + 1) / branches
    return StochasticDepth(rate, name=name)(x) if rate else x
