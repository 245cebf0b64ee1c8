"""What every process of a job complains of is told once: the chief's words, and of the others what is different."""

import threading
from collections.abc import Sequence

ERROR = "zoo: error: "
"""How the program begins what it could not do; whatever a process says after that belongs to it."""


class ErrorsHeard:
    """Errors of the processes of one start. Each process is heard by a thread of its own."""

    def __init__(self) -> None:
        """Have heard nothing."""
        self._lock = threading.Lock()
        self._of_chief: set[str] = set()
        self._rest = b""
        self._kept: list[tuple[int, str]] = []

    def hear_chief(self, text: bytes) -> None:
        """Note what the chief writes, in pieces as they come; it is told already."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split(b"\n")
            for line in (read.decode("utf-8", "replace").rstrip() for read in lines):
                if self._of_chief or line.startswith(ERROR):
                    self._of_chief.add(line)

    def keeps(self, place: int, line: str) -> bool:
        """Tell whether a line of another process is of an error, and so not to be told yet."""
        with self._lock:
            if not line.startswith(ERROR) and all(place != other for other, _ in self._kept):
                return False
            self._kept.append((place, line))
            return True

    def taken(self) -> Sequence[tuple[int, str]]:
        """Return the lines of errors that nobody told of so far, with who said them first, and keep them no longer."""
        with self._lock:
            told, found = set(self._of_chief), []
            for place, line in self._kept:
                if line not in told:
                    told.add(line)
                    found.append((place, line))
            self._kept.clear()
            return found
