"""What holds for every test: one CPU, one backend, nothing read from or written to the home of who runs them."""

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

gc.disable()  # until all is imported, which takes a quarter longer with it

# Before anything imports TensorFlow or Keras; processes that tests start inherit it.
_scratch = tempfile.TemporaryDirectory(prefix="keras-zoo-tests-")
os.environ.update(
    CUDA_VISIBLE_DEVICES="-1",
    JAX_PLATFORMS="cpu",
    KERAS_BACKEND="tensorflow",
    KERAS_HOME=str(Path(_scratch.name) / "keras"),
    TFDS_DATA_DIR=str(Path(_scratch.name) / "tfds"),
    TF_CPP_MIN_LOG_LEVEL="3",
    XDG_CACHE_HOME=str(Path(_scratch.name) / "cache"),
    XLA_FLAGS="--xla_backend_optimization_level=0",  # programs run once: a third less to compile
)

# How long an example takes is the machine's business: a deadline would fail tests where others want the processor too.
hypothesis.settings.register_profile("zoo", deadline=None)
hypothesis.settings.load_profile("zoo")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--transport", choices=("asyncio", "grpcio"), default="asyncio", help="of servers in tests/serving"
    )


def pytest_collection_finish() -> None:
    """Keep what is imported out of every later collection of garbage: 0.5 s each, and closing a model does one."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    _scratch.cleanup()


@pytest.fixture(scope="session")
def run_python() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run Python source in a fresh interpreter: `run_python(source, *arguments, NAME="environment", ...)`.

    One that a signal ends says where it was.
    """

    def run(source: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", source, *arguments],
            env={**os.environ, "PYTHONFAULTHANDLER": "1", **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture
def dtype_policy() -> Iterator[Callable[[str], None]]:
    """Set Keras's global dtype policy for one test."""
    import keras

    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.fixture
def op_determinism_undone() -> Iterator[None]:
    """For a test that trains with `train.deterministic` in this process.

    What it sets stays set, and XLA then refuses the gradient of pooling in every later test; TensorFlow has no public way
    back.
    """
    from tensorflow.python.framework import config

    yield
    config.disable_op_determinism()
