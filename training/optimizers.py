"""From config to a Keras optimizer that takes gradients which are already summed over all replicas."""

from typing import Any

import keras
import tensorflow as tf

from training.config import OptimizerConfig

_HOOK = "_all_reduce_sum_gradients"


def make_optimizer(config: OptimizerConfig, steps: int) -> keras.Optimizer:
    """Return the optimizer.

    Args:
        config: which one.
        steps: of the whole run, over which a schedule falls.

    Raises:
        RuntimeError: this version of Keras reduces gradients in another way than the loop knows.
    """
    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, decay_steps=steps)
    fields: dict[str, Any] = {
        "learning_rate": rate,
        "weight_decay": config.weight_decay or None,
        "global_clipnorm": config.clip_norm,
    }
    match config.name:
        case "sgd":
            optimizer = keras.optimizers.SGD(momentum=config.momentum, **fields)
        case "rmsprop":
            optimizer = keras.optimizers.RMSprop(momentum=config.momentum, **fields)
        case "adam":
            optimizer = keras.optimizers.Adam(**fields)
        case "adamw":
            # Keras' AdamW insists on a number, and with 0 it is Adam.
            optimizer = keras.optimizers.AdamW(**{**fields, "weight_decay": config.weight_decay})
    return without_reduction(optimizer)


def current_rate(optimizer: keras.Optimizer) -> float:
    """Return the learning rate of the next step, under any strategy."""
    return float(tf.convert_to_tensor(optimizer.learning_rate))


def without_reduction(optimizer: keras.Optimizer) -> keras.Optimizer:
    """Take the all-reduce out of an optimizer, which then applies gradients as they come.

    Keras clips what one replica sees and reduces afterwards, which is another gradient than that of the global batch. Our
    loop reduces first. There is no public way to say so: this replaces a private method of Keras 3.15 (its TensorFlow
    backend), which pyproject.toml pins and tests/training/test_optimizers.py watches.

    Raises:
        RuntimeError: the method is not there.
    """
    if not callable(getattr(optimizer, _HOOK, None)):
        raise RuntimeError(  # noqa: TRY004 - the version is wrong, not the argument
            f"keras {keras.__version__} has no {_HOOK} on {type(optimizer).__name__}: this version of keras-zoo trains with "
            f"Keras 3.15 on its TensorFlow backend (found backend {keras.backend.backend()!r})"
        )
    setattr(optimizer, _HOOK, list)
    return optimizer
