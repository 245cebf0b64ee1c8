"""Whether others want the processor while something is timed: times say little then."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.cores import available_cores

_BUSY = 0.1
"""Share of the cores' time that others take. On two cores, where LiteRT computes with two threads, its time was found to a
sixth below 0.08, up to 1.4 times as long from 0.12 on, and twice as long from 0.28 on. An idle machine shows 0 to 0.07.
"""
_BUSY_LOAD = 0.5
"""The same of a load average, which counts this process too, and the whole of the last minute."""
_LOOK_SECONDS = 0.2
"""How long it takes to see whether the processor is busy: Linux counts in hundredths of a second."""
_STAT = Path("/proc/stat")
_USED = (0, 1, 2, 5, 6, 7)
"""Where proc(5) has user, nice, system, irq, softirq and steal, which other virtual machines took; the rest is idleness."""


@dataclass(frozen=True)
class Usage:
    """What was used up to a moment, in seconds; only differences mean something."""

    moment: float
    cores: int
    """That this process may use."""
    everyone: float
    """Of these cores, by all processes."""
    process: float
    """By this process."""
    threads: Mapping[int, float]
    """By each of its threads, by its number in the operating system; in whole hundredths of a second."""


def read_usage() -> Usage | None:
    """Return what was used up to now; None where the operating system does not tell: Linux does."""
    try:
        tick = 1 / os.sysconf("SC_CLK_TCK")
        cores = {f"cpu{core}" for core in os.sched_getaffinity(os.getpid())}
        lines = map(str.split, _STAT.read_text(encoding="ascii").splitlines())
        everyone = sum(int(ticks[place]) for name, *ticks in lines if name in cores for place in _USED)
        return Usage(time.monotonic(), len(cores), everyone * tick, time.process_time(), _threads(tick))
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _threads(tick: float) -> dict[int, float]:
    found = {}
    for path in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it ended
            _, _, told = (path / "stat").read_text(errors="replace").rpartition(")")  # a name may hold anything
            user, system = told.split()[11:13]
            found[int(path.name)] = (int(user) + int(system)) * tick
    return found


def read_load() -> float | None:
    """Return how many wanted a core in the last minute, for each core; None where the operating system does not tell."""
    try:
        return os.getloadavg()[0] / available_cores()
    except (OSError, AttributeError):
        return None


@dataclass(frozen=True)
class Processor:
    """The cores that this process may use, and who else does. Any thread may use it."""

    usage: Callable[[], Usage | None] = read_usage
    load: Callable[[], float | None] = read_load
    """Tells less, where there is no usage; where there is neither, nobody else counts as there."""
    wait: Callable[[float], None] = time.sleep

    def watch(self, *, whole_process: bool = False) -> "Watch":
        """Begin to watch what others use.

        Args:
            whole_process: whether nobody in this process is one of the others; otherwise all of its threads are, except the
                one that calls and those that start from now on.
        """
        return Watch(self, whole_process=whole_process)

    def is_busy(self) -> bool:
        """Tell whether others, also in this process, use the processor right now. Takes 0.2 s."""
        watch = self.watch()
        self.wait(_LOOK_SECONDS)
        return watch.was_disturbed()


class Watch:
    """What others use of the processor since it was made. Belongs to the thread that makes it."""

    def __init__(self, processor: Processor, *, whole_process: bool) -> None:
        """Begin; see `Processor.watch`."""
        self._processor = processor
        self._load = processor.load()
        self._begun = processor.usage()
        there = frozenset(self._begun.threads if self._begun else ())
        self._others = frozenset() if whole_process else there - {threading.get_native_id()}

    def was_disturbed(self) -> bool:
        """Tell whether others used so much that what was timed meanwhile is not to be trusted."""
        begun, now = self._begun, self._processor.usage()
        if begun is None or now is None:
            return self._load is not None and self._load > _BUSY_LOAD
        own = now.process - begun.process
        own -= sum(now.threads[each] - begun.threads[each] for each in self._others & now.threads.keys())
        return now.everyone - begun.everyone - own > _BUSY * now.cores * (now.moment - begun.moment)
