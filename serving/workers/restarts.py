"""When a worker that ended is started again."""

PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before the first, second, ... start after it ended soon after the last."""
SOON = 60.0
"""Seconds; a worker that served for longer is started again at once."""
MOST_FAILED_STARTS = 3
"""In a row. What does not start then is not going to."""


class Restarts:
    """Paces the starts of one worker, so that one that keeps ending takes little of the others' time."""

    def __init__(self) -> None:
        self._quick = 0
        self._failed = 0

    def pause_after(self, served: float | None) -> float | None:
        """Return the seconds until the next start; None where there should be none.

        Args:
            served: how many seconds it served; None where it ended before it could.
        """
        if served is None:
            self._failed += 1
            if self._failed == MOST_FAILED_STARTS:
                return None
        else:
            self._failed = 0
            if served >= SOON:
                self._quick = 0
        self._quick += 1
        return PAUSES[min(self._quick, len(PAUSES)) - 1]
