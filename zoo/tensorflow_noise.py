"""TensorFlow's remarks at start-up, which tell a person at a command line nothing to act on."""

import contextlib
import gc
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# Printed while TensorFlow's libraries load, before it looks at any setting, or as an error on a machine without a GPU.
_NOISE = re.compile(
    rb"All log messages before absl::InitializeLog|port\.cc:\d+\] oneDNN custom operations|"
    rb"cudart_stub\.cc:\d+\] Could not find cuda drivers|cuda_platform\.cc:\d+\] failed call to cuInit|"
    rb"cuda_executor\.cc:\d+\] .*could not open file to read NUMA node|"
    rb"computation_placer\.cc:\d+\] computation placer already registered|"
    rb"Unable to register cu\w+ (factory|plugin)"
)


_stderr = threading.RLock()
"""Held by who redirects file descriptor 2: of two at once, the last to end would put back what the other had put there."""


def silence_tensorflow() -> None:
    """Import TensorFlow without its remarks. Call it before anything else imports it, in programs, not in libraries.

    Only lines known to be noise are dropped; every other line is written once TensorFlow is there. C++ log lines below
    ERROR are turned off. Someone who has set TF_CPP_MIN_LOG_LEVEL to 0 wants to see it all: then nothing happens.

    Nor does the garbage collector look at what is imported, now or later: the import takes a fifth less.
    """
    if os.environ.get(LEVEL) == "0" or "tensorflow" in sys.modules:
        return
    os.environ.setdefault(LEVEL, "2")  # a process started by one of ours has it already
    with _without_noise(), _without_collections():
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for GPUs now, rather than complain of their absence later


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Collect no garbage meanwhile, and leave all that is there by then out of later collections."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Drop what is written to file descriptor 2, and warnings, while TensorFlow converts a model or loads a converted one.

    Converters write pages there about what they cannot do, and raise an exception that says the same. Safe from any thread;
    what other threads write meanwhile is dropped too.
    """
    with open(os.devnull, "wb") as nothing, _redirected(nothing.fileno()), warnings.catch_warnings():  # noqa: PTH123
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _without_noise() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and pass on what is not noise."""
    with _stderr, tempfile.TemporaryFile() as held:  # nobody else redirects it before all is passed on
        try:
            with _redirected(held.fileno()):
                yield
        finally:
            held.seek(0)
            for line in held:
                if not _NOISE.search(line):
                    os.write(2, line)


@contextlib.contextmanager
def _redirected(descriptor: int) -> Iterator[None]:
    """Have file descriptor 2 lead elsewhere; one thread at a time."""
    with _stderr:
        sys.stderr.flush()
        real = os.dup(2)
        try:
            os.dup2(descriptor, 2)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
