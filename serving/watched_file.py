"""A file whose contents are wanted as they are now."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from zoo.errors import ZooError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """What was read from one file or several that belong together. `refresh` may be called from one thread at a time."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], T]) -> None:
        """Read them. Raises what `read` does, a ZooError where they cannot be used."""
        self._paths = paths
        self._read = read
        self._stamps = self._look()
        self.value = read()
        """What they said when they last could be read. Any thread may read it."""

    def refresh(self) -> bool:
        """Read them again where they changed; what cannot be read leaves the value as it was, and a warning.

        Returns:
            Whether there is a new value.
        """
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
