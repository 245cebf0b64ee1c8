"""What became of all calls, said now and then and at the end."""

import os
import time
from pathlib import Path

from benchmarks.mixed_calls.tally import Tally

_SHOW_SECONDS = 10.0


class Report:
    """Sums up, and says so now and then."""

    def __init__(self, calls: int, pid: int) -> None:
        self._calls, self._pid = calls, pid
        self._total = Tally()
        self._began = self._shown = time.monotonic()

    def add(self, tally: Tally) -> None:
        """Add what became of some calls."""
        self._total.kinds += tally.kinds
        self._total.codes += tally.codes
        if time.monotonic() - self._shown > _SHOW_SECONDS:
            self._shown = time.monotonic()
            pace = self._total.calls / (self._shown - self._began)
            print(f"{self._total.calls:,} of {self._calls:,} calls, {pace:,.0f} a second, "
                  f"the server takes {_memory_mb(self._pid):.0f} MB", flush=True)  # fmt: skip

    def __str__(self) -> str:
        """Return all of it."""
        kinds = ", ".join(f"{name} {count:,}" for name, count in self._total.kinds.most_common())
        codes = ", ".join(f"{name} {count:,}" for name, count in self._total.codes.most_common())
        seconds = time.monotonic() - self._began
        memory = _memory_mb(self._pid)
        return f"{self._total.calls:,} calls in {seconds:,.0f} s, the server takes {memory:.0f} MB\n{kinds}\n{codes}"


def _memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
