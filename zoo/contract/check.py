"""Holding a config against every promise."""

from collections.abc import Iterator

import keras

from zoo.config import ModelConfig
from zoo.contract.promises import PROMISES, TENSORFLOW_ONLY
from zoo.verifying import Check


def check(config: ModelConfig) -> Iterator[Check]:
    """Yield what each promise came to, one after the other.

    An architecture that raises breaks the promise it raised in. Sets the global seed of Keras.

    Example:
        >>> import zoo
        >>> from zoo.contract import check
        >>> all(not found.faults for found in check(zoo.example_config("mlp")))
        True
    """
    for promise in PROMISES:
        if promise in TENSORFLOW_ONLY and keras.backend.backend() != "tensorflow":
            continue
        try:
            faults = promise(config)
        except Exception as error:  # noqa: BLE001 - it is somebody's code that is held to the promise
            faults = [f"{type(error).__name__}: {error}"]
        yield Check((promise.__doc__ or promise.__name__).partition("\n")[0], tuple(faults))
