"""TensorFlow in this process: imported once, by the first that needs it, and what its errors mean to callers."""

import contextlib
import functools
import gc
import itertools
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

from serving.gentle import plainly
from serving.status import Code, ServerError, StatusError, invalid
from zoo.tensorflow_noise import LEVEL, silence_tensorflow

logger = logging.getLogger(__name__)


@functools.cache
def tensorflow() -> Any:
    """Import TensorFlow, once; without its remarks where TF_CPP_MIN_LOG_LEVEL says so.

    What it made of itself stays for ever, and is put where the garbage collector does not look: to look through it takes
    200 ms, in which nothing is answered, at every collection after an unload.
    """
    tf = _import()
    plainly(lambda: _begin(tf))
    gc.collect()
    gc.freeze()
    return tf


def _begin(tf: Any) -> None:
    """Have TensorFlow start the threads in which it computes: they keep the priority of who first uses it."""
    if _THREADS:
        _apply_threads(tf)
    _share_gpus(tf)
    tf.config.list_logical_devices()
    tf.constant(0.0) + 0.0


def _import() -> Any:
    if os.environ.get(LEVEL):
        silence_tensorflow()
    import tensorflow as tf

    return tf


def _share_gpus(tf: Any) -> None:
    """Have TensorFlow take GPU memory as it needs it; by default it takes all of it."""
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # the GPUs are in use already: whoever began decided
            tf.config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003 - TensorFlow's signature


_THREADS: dict[str, int] = {}
"""What was asked for by `set_parallelism`; the event loop's thread writes it, before anything is loaded."""


def set_parallelism(intra_op: int, inter_op: int) -> None:
    """Have TensorFlow use so many threads in an operation, and so many operations at once; 0 leaves it to TensorFlow.

    TensorFlow is not imported for that: it is told when it is.

    Raises:
        ServerError: TensorFlow runs already in this process, with other numbers.
    """
    wanted = {"intra_op": intra_op, "inter_op": inter_op}
    _THREADS.clear()
    _THREADS.update((name, count) for name, count in wanted.items() if count)
    if _THREADS and "tensorflow" in sys.modules:
        import tensorflow as tf

        _apply_threads(tf)


def _apply_threads(tf: Any) -> None:
    threading = tf.config.threading
    now = "TensorFlow has {} threads in an operation and {} operations at once (0: as many as cores)"
    try:
        for name, count in _THREADS.items():
            getattr(threading, f"set_{name}_parallelism_threads")(count)
    except RuntimeError:
        found = now.format(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
        wanted = " and ".join(f"{count} ({name})" for name, count in _THREADS.items())
        raise ServerError(
            f"{found}, which cannot be changed to {wanted} once it has computed: start the server first"
        ) from None
    found = now.format(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
    logger.info("%s", found)


@contextlib.contextmanager
def refusals(tf: Any) -> Iterator[None]:
    """Turn what TensorFlow raises of values that a model does not take into a StatusError."""
    try:
        yield
    except UnicodeDecodeError as error:  # TensorFlow's own complaint quoted bytes that are no text
        raise invalid("the model refuses these values") from error
    except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.UnimplementedError) as error:
        raise invalid(f"the model refuses these values: {_reason(error)}") from error
    except tf.errors.ResourceExhaustedError as error:
        raise StatusError(Code.RESOURCE_EXHAUSTED, "out of memory for this batch: send fewer rows at a time") from error


def _reason(error: Exception) -> str:
    """Return what an operation complained about, without the paths of its definition: the line before the node's name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) == 1:
        return lines[0][:300]
    for before, line in itertools.pairwise(lines):
        if line.startswith("[[{{"):
            return before[:300]
    return "an operation of the model failed"
