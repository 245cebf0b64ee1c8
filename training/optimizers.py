"""From config to a Keras optimizer that takes gradients which are already summed over all replicas."""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from training.config.optimizer import OptimizerConfig
from training.schedules import Schedule
from zoo.errors import UnknownNameError, did_you_mean
from zoo.keras_names import call, check_arguments

_HOOK = "_all_reduce_sum_gradients"
_NOT_CHOSEN = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
"""The base class, and those that wrap others."""
_OURS = {
    *("learning_rate", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "name"),
    *("use_ema", "ema_momentum", "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps"),
}
"""Arguments that every optimizer has and that the config or the loop sees to: under tf.distribute Keras's own fail."""


@cache
def optimizer_classes() -> Mapping[str, type[keras.Optimizer]]:
    """Return the optimizers of Keras by name, which is that of the class in small letters."""
    found = {name: getattr(keras.optimizers, name) for name in dir(keras.optimizers) if name not in _NOT_CHOSEN}
    return {
        name.lower(): item
        for name, item in sorted(found.items())
        if inspect.isclass(item) and issubclass(item, keras.Optimizer)
    }


def check_optimizer(config: OptimizerConfig) -> None:
    """Raise an error unless there is such an optimizer and it takes these arguments.

    Raises:
        UnknownNameError: Keras has no such optimizer.
        ConfigError: it does not take an argument.
    """
    classes = optimizer_classes()
    if config.name not in classes:
        raise UnknownNameError(f"unknown optimizer {config.name!r}; {did_you_mean(config.name, classes)}")
    check_arguments("optimizer", config.name, _own_arguments(classes[config.name]), config.arguments)


def _own_arguments(optimizer: type[keras.Optimizer]) -> Any:
    """Return something with the optimizer's signature, less what the config says in other words."""
    signature = inspect.signature(optimizer)
    own = [p for p in signature.parameters.values() if p.name not in _OURS and p.kind is not p.VAR_KEYWORD]

    def takes() -> None:
        """Nothing but a signature."""

    takes.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    return takes


def make_optimizer(config: OptimizerConfig, *, steps: int, steps_per_epoch: int) -> keras.Optimizer:
    """Return the optimizer. Call it inside `strategy.scope()`.

    Args:
        config: which one.
        steps: of the whole run, over which a schedule falls.
        steps_per_epoch: what an epoch is to the schedule.

    Raises:
        ConfigError: the optimizer refuses an argument's value.
        RuntimeError: this version of Keras reduces gradients in another way than the loop knows.
    """
    optimizer_class = optimizer_classes()[config.name]
    rate = Schedule(config.schedule, learning_rate=config.learning_rate, steps=steps, steps_per_epoch=steps_per_epoch)
    given: dict[str, Any] = {
        "learning_rate": rate,
        "weight_decay": config.weight_decay or None,
        "clipvalue": config.clipvalue,
        "clipnorm": config.clipnorm,
        "global_clipnorm": config.global_clipnorm,
    }
    if inspect.signature(optimizer_class).parameters["weight_decay"].default is not None:
        given["weight_decay"] = config.weight_decay  # AdamW and Muon insist on a number
    optimizer = call("optimizer", config.name, optimizer_class, config.arguments, **given)
    return without_reduction(optimizer)


def current_rate(optimizer: keras.Optimizer) -> float:
    """Return the learning rate of the next step, under any strategy."""
    return float(tf.convert_to_tensor(optimizer.learning_rate))


def lower_rate(optimizer: keras.Optimizer, factor: float) -> None:
    """Multiply the learning rate of every step to come."""
    schedule = optimizer._learning_rate  # noqa: SLF001 - the public name gives the number of the moment
    schedule.factor.assign(schedule.factor * factor)


def state_of(optimizer: keras.Optimizer) -> list[keras.Variable]:
    """Return every variable that decides what the optimizer does next."""
    return [*optimizer.variables, optimizer._learning_rate.factor]  # noqa: SLF001


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
