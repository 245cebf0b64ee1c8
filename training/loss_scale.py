"""Scaling the loss so that float16 gradients do not vanish; all replicas decide as one (Micikevicius et al., 2018)."""

import keras
import tensorflow as tf

FIRST = 2.0**15
GROWTH_STEPS = 2000
"""Steps without an overflow after which the scale doubles."""


class LossScale:
    """The scale of the moment. Make it inside `strategy.scope()`; call its methods across replicas."""

    def __init__(self) -> None:
        """Start at 32768."""
        self.scale = keras.Variable(FIRST, trainable=False, dtype="float32", name="loss_scale")
        self.good_steps = keras.Variable(0, trainable=False, dtype="int32", name="loss_scale_good_steps")

    @property
    def variables(self) -> list[keras.Variable]:
        """Return what a checkpoint has to hold."""
        return [self.scale, self.good_steps]

    def taken(self) -> None:
        """A step was taken: grow after enough of them."""
        grows = tf.equal(self.good_steps.value + 1, GROWTH_STEPS)
        self.scale.assign(tf.where(grows, self.scale.value * 2, self.scale.value))
        self.good_steps.assign(tf.where(grows, 0, self.good_steps.value + 1))

    def skipped(self) -> None:
        """A step was left out because some gradient overflowed: halve."""
        self.scale.assign(tf.maximum(self.scale.value / 2, 1.0))
        self.good_steps.assign(tf.zeros_like(self.good_steps.value))
