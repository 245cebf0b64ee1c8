"""What can wait until the answers that are ready have left: nobody waits for his own until it is counted and logged."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Afterwards:
    """Work that whoever sends answers does once it has sent them. Lives in one event loop."""

    def __init__(self) -> None:
        self._work: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def add(self, work: Callable[..., object], *arguments: object) -> None:
        """Have a function called; what it raises is logged."""
        self._work.append((work, arguments))

    def do(self) -> None:
        """Call what was added, also meanwhile."""
        while self._work:
            due, self._work = self._work, []
            for work, arguments in due:
                try:
                    work(*arguments)
                except Exception:
                    logger.exception(
                        "an answer has left, and what was to follow failed: this is a fault of the server's"
                    )
