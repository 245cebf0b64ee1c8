"""One process at a time prepares a data set: two that begin together would step on each other."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def one_at_a_time(folder: str) -> Iterator[None]:
    """Hold the right to prepare what will lie in a folder; wait for another process that has it.

    The lock is of the operating system and ends with its process. Folders that are no local path, or where nothing can be
    written, have none.
    """
    path = Path(folder)
    if "://" in folder:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / f".{path.name}.lock").open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
