"""Where each regularizer goes: penalties and constraints on kernels, normalization before activations, dropout after."""

import inspect

import keras

from zoo.config import ConstraintConfig, ModelConfig, RegularizationConfig, SequenceConfig
from zoo.config.model import DEFAULT_GROUPS
from zoo.errors import ConfigError
from zoo.keras_names import call, find
from zoo.layers.kernel_penalty import KernelPenalty
from zoo.layers.padding_mask import PaddingMask
from zoo.layers.stochastic_depth import StochasticDepth

BATCH_NORM_MOMENTUM = 0.9
"""Keras's own 0.99 leaves the running statistics far behind in the few hundred steps that small data sets take."""
CENTRED = {"batch"}
"""Normalizations that subtract from each channel its own mean, so that a bias before them has no effect. Layer and group
normalization subtract one mean over several channels, which leaves the differences between their biases."""


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
    found = find("constraint", config.kind, keras.constraints, base=keras.constraints.Constraint)
    has_axis = "axis" in inspect.signature(found).parameters
    axis = {"axis": list(range(rank - (2 if depthwise else 1)))} if has_axis else {}
    return call("constraint", config.kind, found, config.arguments, **axis)


def check_constraint(config: ConstraintConfig) -> None:
    """Raise ConfigError unless there is such a constraint and it takes these arguments."""
    if "axis" in config.arguments:
        raise ConfigError(f"constraint {config.kind!r}: axis is found for every kernel by itself: leave it out")
    for name, value in config.arguments.items():
        if isinstance(value, int | float) and value < 0:
            raise ConfigError(f"constraint {config.kind!r}: expected {name} >= 0, got {value}")
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


def drop_maps(x: keras.KerasTensor, config: RegularizationConfig, name: str | None = None) -> keras.KerasTensor:
    """Apply dropout of whole feature maps, where it is on: (N, steps, channels) or (N, height, width, channels)."""
    layer = keras.layers.SpatialDropout1D if len(x.shape) == 3 else keras.layers.SpatialDropout2D
    return layer(config.spatial_dropout, name=name)(x) if config.spatial_dropout else x


def skip_rate(config: RegularizationConfig, *, branch: int, branches: int) -> float:
    """Return the chance that a residual branch is skipped: it falls linearly from the config's to 0 at a branch -1."""
    return config.stochastic_depth * (branch + 1) / branches


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
    rate = skip_rate(config, branch=branch, branches=branches)
    return StochasticDepth(rate, name=name)(x) if rate else x


def add_noise(x: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """Add the config's noise, in training, to what a backbone sees; token ids and padding stay as they are."""
    stddev = config.regularization.gaussian_noise
    if not stddev or "int" in x.dtype:
        return x
    noisy = keras.layers.GaussianNoise(stddev, name="noise")(x)
    if not (isinstance(config, SequenceConfig) and config.takes_sequence() and config.masks_padding()):
        return noisy
    counts = PaddingMask(name="noise_mask")(x)
    return keras.ops.where(keras.ops.expand_dims(counts, -1), noisy, x)
