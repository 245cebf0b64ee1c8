"""One process at a time trains a run."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from training.run_log import CONFIG
from zoo.errors import ConfigError


@contextlib.contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Keep others from training a run meanwhile; the lock goes with the process, however that ends.

    Raises:
        ConfigError: another process is training it.
    """
    with (folder / CONFIG).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{folder} is being trained by another process: wait for it or stop it, or start a run anew (without resume)"
            ) from None
        yield
