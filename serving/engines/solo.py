"""An engine that takes all cores while nobody else wants them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from time import perf_counter

import numpy as np

from serving.engines.engine import Engine

_PROBE = 256
"""So many calls that were alone, then one of them goes the other way: with what event loops try out (`Gathering`), less than
one of a hundred, or it would be the 99th percentile."""
_WEIGHT = 0.2
"""Of the newest measurement."""
_SURPRISE = 2
"""Times what is known: a call that took longer counts as that, since it was kept from its cores."""
_KNOWN = 64
"""Shapes of requests whose times are remembered."""

_Key = tuple[str, tuple[tuple[int, ...], ...]]


class SoloEngine:
    """Has a call that is the only one computed by several threads, and others, which have no cores to spare, by one each.

    Whether several are quicker changes while a server lives: with what else runs on the machine, and with whether a host
    gives two virtual cores the two halves of one real one. So lone calls of either kind are timed, and the quicker kind is
    what the next ones get. `run` may be called from any thread.
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
    """What lone calls of one kind take either way."""

    def __init__(self) -> None:
        self._several: float | None = None
        self._one: float | None = None
        self._calls = 0

    def next_by_several(self) -> bool:
        """Tell whether the next call is for several threads."""
        self._calls += 1
        if self._several is None:
            return True
        if self._one is None:
            return self._calls % _PROBE != 0
        return (self._several <= self._one) is (self._calls % _PROBE != 0)

    def add(self, seconds: float, *, by_several: bool) -> None:
        """Learn what a call took."""
        if by_several:
            self._several = _moved(self._several, seconds)
        else:
            self._one = _moved(self._one, seconds)


def _moved(average: float | None, newest: float) -> float:
    return newest if average is None else average + _WEIGHT * (min(newest, _SURPRISE * average) - average)
