"""Where each regularizer goes: penalties on kernels, normalization before the activation, dropout after it."""

import keras

from zoo.config import ModelConfig, RegularizationConfig

BATCH_NORM_MOMENTUM = 0.9
"""Keras's own 0.99 leaves the running statistics far behind in the few hundred steps that small data sets take."""


def kernel_regularizer(config: RegularizationConfig) -> keras.Regularizer | None:
    """Return the penalty on kernels, or None where there is none. Biases are never penalised."""
    if config.l1 == 0 and config.l2 == 0:
        return None
    return keras.regularizers.L1L2(l1=config.l1, l2=config.l2)


def activate(x: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """Apply what follows a linear layer: batch normalization, activation, dropout, each where it is on."""
    if config.regularization.batch_norm:
        x = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    x = keras.layers.Activation(config.activation)(x)
    if config.regularization.dropout:
        x = keras.layers.Dropout(config.regularization.dropout)(x)
    return x
