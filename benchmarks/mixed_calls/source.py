"""Where the threads or tasks of a process get their calls from."""

import threading
from collections.abc import Callable, Iterator

from benchmarks.mixed_calls.answer import WrongAnswerError
from benchmarks.mixed_calls.case import Case, Outcome
from benchmarks.mixed_calls.tally import Tally

_REPORT_CALLS = 500


class Source:
    """Gives out calls, to any number of threads, and gathers what became of them."""

    def __init__(self, cases: Iterator[Case], calls: int, report: Callable[[Tally], None]) -> None:
        self._cases, self._left, self._report = cases, calls, report
        self._lock = threading.Lock()
        self._tally = Tally()

    def take(self) -> Case | None:
        """Return the next call; None once there were enough."""
        with self._lock:
            if not self._left:
                return None
            self._left -= 1
            return next(self._cases)

    def note(self, case: Case, outcome: Outcome) -> None:
        """Take down what became of a call. Raises WrongAnswerError where it did not end as it should."""
        with self._lock:
            try:
                self._tally.note(case, outcome)
            except WrongAnswerError:
                self._left = 0
                raise
            if self._tally.calls >= _REPORT_CALLS or not self._left:
                self._report(self._tally)
                self._tally = Tally()
