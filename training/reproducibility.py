"""Seeds, determinism and the precision that layers compute in: what is global to a process."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


def make_reproducible(seed: int, *, deterministic: bool) -> None:
    """Seed Python, NumPy and Keras; where asked, make TensorFlow's operations give the same bits every time."""
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Let layers that are built meanwhile compute in this precision (a policy of Keras)."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
