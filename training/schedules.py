"""The learning rate of every step."""

import math
from typing import Any

import keras
import tensorflow as tf

from training.config.schedule import ScheduleConfig


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises over the warm-up, then falls as its config says, times a factor that recovery lowers.

    Make it inside `strategy.scope()`: the factor is a variable of the strategy, and part of what a checkpoint holds.
    """

    def __init__(self, config: ScheduleConfig, *, learning_rate: float, steps: int, steps_per_epoch: int) -> None:
        """Make a schedule.

        Args:
            config: its shape.
            learning_rate: the highest rate.
            steps: of the whole run.
            steps_per_epoch: what an epoch is.
        """
        super().__init__()
        self._config = config
        self._rate = learning_rate
        self._epoch = steps_per_epoch
        self._warmup = min(round(config.warmup_epochs * steps_per_epoch), steps)
        self._decay = max(steps - self._warmup, 1)
        self.factor = keras.Variable(1.0, trainable=False, dtype="float32", name="learning_rate_factor")

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, counted from 0."""
        step = tf.cast(tf.convert_to_tensor(step), tf.float32)
        share = self._share(tf.maximum(step - self._warmup, 0.0))
        if self._warmup:
            share = tf.where(step < self._warmup, (step + 1) / self._warmup, share)
        return self._rate * share * tf.convert_to_tensor(self.factor)

    def _share(self, step: tf.Tensor) -> tf.Tensor:
        """Return what is left of the rate so many steps after the warm-up."""
        config, progress = self._config, tf.minimum(step / self._decay, 1.0)
        match config.kind:
            case "cosine":
                return config.end + (1 - config.end) * 0.5 * (1 + tf.cos(math.pi * progress))
            case "polynomial":
                return config.end + (1 - config.end) * tf.pow(1 - progress, config.power)
            case "exponential":
                return tf.pow(config.factor, step / self._epoch)
            case "step":
                # Epochs count from the beginning of the run, warm-up included.
                reached = [tf.cast(step + self._warmup >= round(at * self._epoch), tf.float32) for at in config.epochs]
                return tf.pow(config.factor, tf.add_n(reached))
            case _:
                return tf.ones_like(progress)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras would save of it."""
        return {"config": self._config.to_dict(), "learning_rate": self._rate}
