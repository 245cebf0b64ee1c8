"""How long a lane's batches take, learnt by their number of rows."""

import math

_WEIGHT = 0.2
"""Of the newest measurement."""
_FIRST = 3
"""So many batches of a size, then it is judged; until then the fastest counts, since first calls are slow."""
_BEYOND = 3
"""How many doublings beyond the largest size that paid are tried."""
_SURPRISE = 2
"""Times what is known: a measurement beyond counts as that, so that a single one changes little."""
_WORTH = 1.05
"""A larger batch pays while a row of it takes at most this much of the least that a row was seen to take."""
_PROBE = 64
"""So many batches, then a size that was found not to pay, or to take too long, is tried again: times change."""
_CREEP = 1.02
"""How much slower than before a job of a size may at most count that an event loop computed: most of what one takes longer
is somebody else's turn at the processor, which its next one need not wait for."""
_LONG = 0.02
"""Seconds of a job for which an event loop must not stand still."""


class _Size:
    """Batches of some number of rows, up to the next power of two."""

    def __init__(self, per_row: float, seen: int = 1) -> None:
        self.per_row = per_row
        """Seconds."""
        self.seen = seen
        self.seen_at = 0
        """How many batches of any size there were before the last of this one."""
        self.least = per_row
        """Seconds a row of the quickest batch: what it takes where nothing else wants the processor."""
        self.at_once: float | None = None
        """Seconds a row where the one who brought it computed it; None where that was not tried of late."""

    def add(self, per_row: float) -> None:
        self.least = min(self.least, per_row)
        if self.seen % _PROBE == 0:
            self.at_once = None
        if self.seen < _FIRST:
            self.per_row = min(self.per_row, per_row)
        else:
            self.per_row += _WEIGHT * (min(per_row, _SURPRISE * self.per_row) - self.per_row)
        self.seen += 1


class ServiceTimes:
    """What one lane's batches took. Not safe from several threads at once."""

    def __init__(self, most_seconds: float | None = None) -> None:
        """Know nothing yet. `most_seconds` is what a batch may take; None for any time."""
        self._most_seconds = most_seconds
        self._sizes: dict[int, _Size] = {}
        """By the exponent of the number of rows."""
        self._per_job: float | None = None
        self._batches = 0
        self._larger: dict[int, float] = {}
        """What a batch takes at most, since a larger one took no more; by exponent."""
        self._wary: dict[int, int] = {}
        """How many more short batches a size has to show after a long one, before an event loop computes it; by exponent."""
        self.worthwhile: int | None = None
        """Up to how many rows a larger batch takes less time a row, or may do so for what is known; None for any."""
        self.timely: int | None = None
        """Up to how many rows a batch takes no longer than it may; None for any."""

    @property
    def per_job(self) -> float | None:
        """Seconds of compute that a job takes, its share of batches counted; None where nothing was measured."""
        return self._per_job

    def add(self, rows: int, jobs: int, seconds: float) -> None:
        """Learn what a batch took."""
        exponent, per_row = _exponent(rows), seconds / rows
        known = self._sizes.get(exponent)
        if known is not None and known.seen >= _FIRST:  # first calls are slow
            self._watch(exponent, seconds)
        if known is None or (not self._pays(known) and per_row <= _WORTH * self._least()):
            self._sizes[exponent] = _Size(per_row)
        else:
            if self._is_stale(known):
                known.per_row = min(known.per_row, per_row)
            known.add(per_row)
        self._sizes[exponent].seen_at = self._batches
        share = seconds / jobs
        self._per_job = share if self._per_job is None else self._per_job + _WEIGHT * (share - self._per_job)
        self._batches += 1
        self._larger = self._find_larger()
        self.worthwhile = self._find_worthwhile()
        if self._most_seconds is not None:
            self.timely = self._find_timely(self._most_seconds)

    def estimate(self, rows: int) -> float:
        """Return the seconds that a batch will take, by the nearest size that was seen; 0 where none was."""
        if not self._sizes:
            return 0.0
        return rows * self._per_row(_exponent(rows))

    def add_at_once(self, rows: int, seconds: float) -> None:
        """Learn what a job took in the thread that brought it."""
        exponent, per_row = _exponent(rows), seconds / rows
        size = self._sizes.get(exponent)
        if size is None:  # of several that came together
            size = self._sizes[exponent] = _Size(per_row, seen=_FIRST)
            size.seen_at = self._batches
            self._larger = self._find_larger()
        size.at_once = per_row if size.at_once is None else min(per_row, _CREEP * size.at_once)
        self._watch(exponent, seconds)

    def at_once(self, rows: int) -> float | None:
        """Return the seconds that a job would take in the thread that brings it; None where too few were seen to tell.

        In another thread it takes longer, as it has to win the interpreter back: there the quickest tells what it is alone.
        """
        exponent = _exponent(rows)
        size = self._sizes.get(exponent)
        if size is None or size.seen < _FIRST or self._wary.get(exponent):
            return None
        takes = rows * (size.least if size.at_once is None else size.at_once)
        return min(takes, self._larger[exponent])

    def most_at_once(self, rows: int, jobs: int, seconds: float) -> int:
        """Return how many of so many jobs, of so many rows each, would as one take no longer than this; 1 at least.

        Together they take no longer than one after the other: that is what counts where such a size was not seen.
        """
        alone = self.at_once(rows)
        while jobs > 1:
            takes = self.at_once(jobs * rows)
            if takes is None and alone is not None:
                takes = jobs * alone
            if takes is not None and takes <= seconds:
                return jobs
            jobs = 1 << (jobs - 1).bit_length() - 1  # the next smaller power of two
        return 1

    def _watch(self, exponent: int, seconds: float) -> None:
        if seconds > _LONG:
            self._wary[exponent] = _PROBE
        elif self._wary.get(exponent):
            self._wary[exponent] -= 1

    def _find_larger(self) -> dict[int, float]:
        """Return by size the seconds of the quickest of all larger batches."""
        found, quickest = {}, math.inf
        for exponent, size in sorted(self._sizes.items(), reverse=True):
            found[exponent] = quickest
            quickest = min(quickest, size.least * (1 << exponent))
        return found

    def _find_worthwhile(self) -> int:
        bound = _WORTH * self._least()
        paying, refused = 0, None
        for exponent, size in sorted(self._sizes.items()):
            if size.seen < _FIRST or size.per_row <= bound:
                paying, refused = exponent, None
            elif refused is None:
                refused = exponent
        most = paying + _BEYOND if refused is None else min(paying + _BEYOND, refused - 1)
        if self._batches % _PROBE == 0:
            most += 1
        return 1 << most

    def _find_timely(self, seconds: float) -> int:
        """Return how many rows fit into a time; one where none does, so that times are learnt anew."""
        most = 1
        for exponent in range(max(self._sizes) + _BEYOND + 1):
            per_row = self._per_row(exponent)
            fitting = int(seconds / per_row) if per_row > 0 else 1 << exponent
            if fitting <= 1 << exponent >> 1:
                break
            most = min(1 << exponent, fitting)
        return max(1, most)

    def _per_row(self, exponent: int) -> float:
        """Return the seconds a row of a size, by the nearest that was seen.

        A size that was not seen of late takes at most what the next smaller one does, or else nobody would try it again.
        """
        nearest = min(self._sizes, key=lambda known: abs(known - exponent))
        size, smaller = self._sizes[nearest], [known for known in self._sizes if known < nearest]
        if smaller and self._is_stale(size):
            return min(size.per_row, self._per_row(max(smaller)))
        return size.per_row

    def _is_stale(self, size: _Size) -> bool:
        return self._batches - size.seen_at > _PROBE

    def _pays(self, size: _Size) -> bool:
        return size.seen < _FIRST or size.per_row <= _WORTH * self._least()

    def _least(self) -> float:
        return min(size.per_row for size in self._sizes.values())


def _exponent(rows: int) -> int:
    """Return the exponent of the next power of two."""
    return (rows - 1).bit_length()
