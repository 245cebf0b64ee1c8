"""An engine that takes all cores while nobody else wants them."""

import statistics
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from time import perf_counter

import numpy as np

from serving.engines.engine import Engine

_PERIOD = 2048
"""So many calls that were alone from one trial to the next."""
_TRIED = 8
"""So many of them go the other way then: with what event loops try out (`Gathering`), less than one of a hundred, or that
would be the 99th percentile."""
_LONGEST_TRIAL = 2 * _TRIED
"""Calls that a trial lasts at most: those that another one joins tell nothing."""
_WORTH = 0.8
"""Of what a call takes by one thread: several have to save a fifth. Threads stay awake for their next piece of work, on the
cores of whoever asks, so that what little they save is lost there."""
_KNOWN = 64
"""Shapes of requests whose times are remembered."""

_Key = tuple[str, tuple[tuple[int, ...], ...]]


class SoloEngine:
    """Has a call that is the only one computed by several threads, and others, which have no cores to spare, by one each.

    Whether several are quicker changes while a server lives: with what else runs on the machine, and with whether a host
    gives two virtual cores the two halves of one real one. So lone calls of either kind are timed, and the next ones get
    several where those are much the quicker. `run` may be called from any thread.
    """

    def __init__(self, several: Engine, one: Engine, clock: Callable[[], float] = perf_counter) -> None:
        """Take two engines that answer alike.

        Args:
            several: computes a call in several threads; closed with this one.
            one: computes it in one.
            clock: counts seconds.
        """
        self._several = several
        self._one = one
        self._clock = clock
        self._lock = threading.Lock()
        self._running = 0
        self._begun = 0
        """How many calls have begun."""
        self._paces: OrderedDict[_Key, _Pace] = OrderedDict()
        """By signature and shapes, those asked for last at the end."""

    def takes_one_core(self, signature: str) -> bool:  # noqa: ARG002 - all do alike
        """See OneCoreEngine."""
        return True

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine."""
        with self._lock:
            pace = None if self._running else self._pace(signature, inputs)
            by_several = pace is not None and pace.next_by_several()
            self._running += 1
            self._begun += 1
            begun = self._begun
        started = self._clock()
        took = None
        try:
            answer = (self._several if by_several else self._one).run(signature, inputs)
            took = self._clock() - started
        finally:
            with self._lock:
                self._running -= 1
                if pace is not None and took is not None and self._begun == begun:  # alone to its end
                    pace.add(took, by_several=by_several)
        return answer

    def close(self) -> None:
        """See Engine."""
        self._several.close()

    def _pace(self, signature: str, inputs: Mapping[str, np.ndarray]) -> "_Pace":
        key = (signature, tuple(array.shape for array in inputs.values()))
        pace = self._paces.get(key)
        if pace is None:
            pace = self._paces[key] = _Pace()
            if len(self._paces) > _KNOWN:
                self._paces.popitem(last=False)
        else:
            self._paces.move_to_end(key)
        return pace


class _Pace:
    """Which way lone calls of one kind go: every now and then some go the other way, and are held against those just before.

    Held against each other are medians of a few calls that followed each other: the machine is another one a minute later,
    and single calls are kept from their cores.
    """

    def __init__(self) -> None:
        self._usually_several = True
        self._calls = 0
        self._usual: deque[float] = deque(maxlen=_TRIED)
        """Seconds of the last calls."""
        self._other: list[float] = []
        """Seconds of those that go the other way."""
        self._plan_trial(_TRIED + 1)

    def next_by_several(self) -> bool:
        """Tell whether the next call is for several threads."""
        self._calls += 1
        if self._calls >= self._trial_ends:
            self._plan_trial(self._calls + _PERIOD)
        is_trial = self._calls >= self._trial_begins
        return self._usually_several is not is_trial

    def add(self, seconds: float, *, by_several: bool) -> None:
        """Learn what a call took."""
        if by_several is self._usually_several:
            self._usual.append(seconds)
            return
        self._other.append(seconds)
        if len(self._other) == _TRIED:
            self._judge()
            self._plan_trial(self._calls + _PERIOD)

    def _judge(self) -> None:
        if not self._usual:
            return
        usual, other = statistics.median(self._usual), statistics.median(self._other)
        several, one = (usual, other) if self._usually_several else (other, usual)
        if self._usually_several is not (several <= _WORTH * one):
            self._usually_several = not self._usually_several
            self._usual.clear()

    def _plan_trial(self, begins: int) -> None:
        self._other.clear()
        self._trial_begins, self._trial_ends = begins, begins + _LONGEST_TRIAL
