"""A file whose contents are wanted as they are now."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from zoo.errors import ZooError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """What was read from one file or several that belong together. Any thread may use it."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], T]) -> None:
        """Read them. Raises what `read` does, a ZooError where they cannot be used."""
        self._paths = paths
        self._read = read
        self._refreshing = threading.Lock()
        self._stamps = self._look()
        self.value = read()
        """What they said when they last could be read."""

    def refresh(self) -> bool:
        """Read them again where they changed; what cannot be read leaves the value as it was, and a warning.

        Returns:
            Whether there is a new value.
        """
        with self._refreshing:
            return self._refresh()

    def watch(self, seconds: float, stopping: threading.Event) -> None:
        """Do so every so many seconds until the event is set, in a thread of its own: nothing slow is before it."""
        while not stopping.wait(seconds):
            self.refresh()

    def _refresh(self) -> bool:
        stamps = self._look()
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            self.value = self._read()
        except ZooError as error:
            logger.warning("%s changed, but is not used: %s", self._paths[0], error)
            return False
        logger.info("read %s anew", self._paths[0])
        return True

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._paths]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
