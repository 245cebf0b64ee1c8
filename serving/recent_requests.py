"""A few of the requests that were answered lately: what a new version is asked before it goes live."""

import random
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from time import monotonic

import numpy as np

from serving.codec import STRING_OVERHEAD
from serving.signature import Signature

SPAN_SECONDS = 300.0
"""What is kept of a busy model is spread over about so long."""
MOST_ROWS = 16
"""Of a request; of a larger one the first ones are kept."""
_LARGEST_SHARE = 8
"""A request may take one part in so many of the bytes: copying it must not hold up others."""


@dataclass(frozen=True)
class RecentRequest:
    """What a client asked of a model, whichever version it is."""

    signatures: tuple[str, ...]
    """Several are those of a joint signature."""
    inputs: Mapping[str, np.ndarray]
    nbytes: int


class RecentRequests:
    """Keeps them in memory alone, bounded in number per model and in bytes. Any thread may use it.

    The first ones of a model are kept, from then on one now and then, in place of the oldest: what is kept of a model that
    is asked a thousand times a second is of the last minutes, not of the last milliseconds.
    """

    def __init__(
        self,
        count: int,
        max_bytes: int,
        *,
        clock: Callable[[], float] = monotonic,
        wait: Callable[[float], float] = lambda mean: random.expovariate(1 / mean),
    ) -> None:
        """Prepare.

        Args:
            count: how many are kept of a model; 0 for none.
            max_bytes: that all of them take together; the model whose requests take most gives some up.
            clock: tells the time in seconds.
            wait: draws the seconds until the next one is kept, from their mean; not always the same, so that requests that
                come by a clock are not missed.
        """
        self._count = count
        self._max_bytes = max_bytes
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._models: dict[str, _OfModel] = {}

    @property
    def nbytes(self) -> int:
        """What all of them take."""
        with self._lock:
            return self._total()

    def offer(self, model: str, signature: Signature, inputs: Mapping[str, np.ndarray]) -> None:
        """Keep a request that was answered, if it is its turn: as a copy, of a few rows.

        Args:
            model: that answered it.
            signature: of it, that was asked for.
            inputs: that were sent, and the defaults of the signature for those that were not, which are not kept.
        """
        known = self._models.get(model)
        if not self._count or (known is not None and self._clock() < known.due):
            return
        request = self._copy(signature, inputs)
        with self._lock:
            known = self._models.setdefault(model, _OfModel())
            has_room = request is not None and self._add(known, request)
            known.due = 0.0 if has_room else self._clock() + self._wait(SPAN_SECONDS / self._count)

    def of(self, model: str) -> list[RecentRequest]:
        """Return what is kept of a model, the newest first."""
        with self._lock:
            known = self._models.get(model)
            return [] if known is None else list(reversed(known.requests))

    def keep_models(self, names: Collection[str]) -> None:
        """Forget what is kept of all other models."""
        with self._lock:
            self._models = {name: known for name, known in self._models.items() if name in names}

    def _copy(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> RecentRequest | None:
        """Return a few rows of a request; None where even these take too much."""
        inputs = {key: array for key, array in inputs.items() if array is not signature.defaults.get(key)}
        if signature.inputs and all(spec.is_batched for spec in signature.inputs.values()):
            inputs = {key: array[:MOST_ROWS] for key, array in inputs.items()}
        most = self._max_bytes // _LARGEST_SHARE
        if sum(array.nbytes for array in inputs.values()) > most:
            return None
        size = sum(map(_size, inputs.values()))
        if size > most:
            return None
        names = tuple(part.name for part in signature.parts)
        return RecentRequest(names, {key: array.copy() for key, array in inputs.items()}, size)

    def _add(self, known: "_OfModel", request: RecentRequest) -> bool:
        """Keep a request; what is older goes where need be. Returns whether there is room for another."""
        known.requests.append(request)
        known.nbytes += request.nbytes
        if len(known.requests) > self._count:
            known.drop_oldest()
        while self._total() > self._max_bytes:
            max(self._models.values(), key=lambda each: each.nbytes).drop_oldest()
        room = self._max_bytes - self._total() >= request.nbytes
        return room and len(known.requests) < self._count

    def _total(self) -> int:
        return sum(known.nbytes for known in self._models.values())


@dataclass
class _OfModel:
    requests: deque[RecentRequest] = field(default_factory=deque)
    """The oldest first."""
    nbytes: int = 0
    due: float = 0.0
    """When the next one is kept."""

    def drop_oldest(self) -> None:
        self.nbytes -= self.requests.popleft().nbytes


def _size(array: np.ndarray) -> int:
    if array.dtype != object:
        return array.nbytes
    return array.nbytes + sum(STRING_OVERHEAD + len(item) for item in array.flat)
