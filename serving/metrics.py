"""What is counted of calls, loads and unloads; known to no format that shows it.

Plain numbers, since they are touched for every call: the counters and histograms of prometheus_client take
two to three times as long (benchmarks/results/call_overhead.md), and only its text format is needed.
"""

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from serving.call_record import CallRecord
from serving.manager import Manager, State
from serving.memory_budget import MemoryUse
from serving.nan_policy import NanAnswers
from serving.status import Code

SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds of buckets, for times."""
ROWS = tuple(float(1 << power) for power in range(15))
"""Upper bounds of buckets, for rows."""
OTHERS = "others"
"""What models are called beyond those that are told apart."""

_MAX_MODELS = 1000
_TOTAL = "total"


class Histogram:
    """Counts by bucket."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Of each bucket alone; the last is for what is over all bounds."""
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value; a bound belongs to the bucket below."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


def _times() -> Histogram:
    return Histogram(SECONDS)


def _rows() -> Histogram:
    return Histogram(ROWS)


class CallMetrics:
    """Counts calls; an observer of `serving.recorder`. Lives in one event loop.

    A model is told apart only where it answered: names that a client makes up are all the empty one.
    """

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str, Code]] = Counter()
        """By method, model and code."""
        self.errors: Counter[tuple[Code, str]] = Counter()
        """By code, and the part of the request that was wrong."""
        self.seconds: defaultdict[tuple[str, str], Histogram] = defaultdict(_times)
        """Of a whole call, by method and model."""
        self.phases: defaultdict[tuple[str, str], Histogram] = defaultdict(_times)
        """By phase and model."""
        self.rows: defaultdict[str, Histogram] = defaultdict(_rows)
        """Of calls, by model."""
        self.batch_rows: defaultdict[str, Histogram] = defaultdict(_rows)
        """Of the batches that were computed, by model."""
        self.bytes_in: Counter[tuple[str, str]] = Counter()
        """By method and model."""
        self.bytes_out: Counter[tuple[str, str]] = Counter()
        """By method and model."""
        self.nan_answers = NanAnswers()
        """Told by whoever computes."""
        self._models: set[str] = set()

    def __call__(self, record: CallRecord) -> None:
        """Count a call that has ended."""
        model = self._bounded(record.model)
        where = (record.method, model)
        self.calls[(record.method, model, record.code)] += 1
        if record.code is not Code.OK:
            self.errors[(record.code, record.wrong)] += 1
        self.bytes_in[where] += record.bytes_in
        self.bytes_out[where] += record.bytes_out
        for phase, seconds in record.seconds.items():
            if phase == _TOTAL:
                self.seconds[where].add(seconds)
            else:
                self.phases[(phase, model)].add(seconds)
        if record.rows:
            self.rows[model].add(record.rows)
        if record.batch_rows and record.executions:
            # Of calls in one batch one has it; one that was taken apart has several, of about as many rows each.
            self.batch_rows[model].add(record.batch_rows / record.executions, record.executions)

    def _bounded(self, model: str) -> str:
        if model in self._models or not model:
            return model
        if len(self._models) >= _MAX_MODELS:
            return OTHERS
        self._models.add(model)
        return model


class LoadMetrics:
    """Counts loads and unloads, from the states that versions go through. Any thread may use it."""

    def __init__(self, manager: Manager) -> None:
        """Watch a manager from now on."""
        self.loads: Counter[tuple[str, bool]] = Counter()
        """By model, and whether it was loaded."""
        self.unloads: Counter[str] = Counter()
        """By model."""
        self.evictions: Counter[str] = Counter()
        """By model: unloads that made room for others."""
        self._manager = manager
        self._known: dict[tuple[str, int], State] = {}
        self._lock = threading.Lock()
        manager.on_change(self._look)

    def states(self) -> Mapping[tuple[str, int], State]:
        """Return the state of every version, by model and number."""
        return {
            (name, status.version): status.state
            for name in self._manager.models()
            for status in self._manager.statuses(name)
        }

    def memory_use(self) -> MemoryUse | None:
        """Return how much of the memory budget is held; None where there is none."""
        return self._manager.memory_use()

    def _look(self) -> None:
        with self._lock:
            states = self.states()
            for (name, version), state in states.items():
                before = self._known.get((name, version))
                if before is state:
                    continue
                if before is State.LOADING:
                    self.loads[(name, state is State.AVAILABLE)] += 1
                elif before is State.UNLOADING and state in (State.START, State.END):
                    self.unloads[name] += 1
                    self.evictions[name] += state is State.START
            self._known = dict(states)
