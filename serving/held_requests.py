"""What requests take that were received, unpacked, and not answered yet: one bound for all connections of a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from serving.status import Code, StatusError

MAX_HELD_BYTES = 1 << 30
WORTH_COUNTING = 4 << 10
"""Bytes of a request; there are not enough calls for smaller ones to matter."""
_RETRY_SECONDS = 1.0


class Holder(Protocol):
    """Whoever sends requests, a connection or a single call, as one that may have to leave room to others."""

    def make_room(self, more_than: int) -> bool:
        """End the largest request that takes more than so many bytes and has not come whole; tell whether there was one.

        It is released at once.
        """
        ...


class HeldRequests:
    """Counts bytes. Lives in one event loop.

    Who finds the bound reached takes the room of whoever holds more and has not sent it all: requests that come slowly, or
    never end, keep nobody out. What is whole is answered in its time. A request alone is always let in, whatever it takes.
    """

    def __init__(self, most: int = MAX_HELD_BYTES) -> None:
        """Bound the bytes of all requests together."""
        self.most = most
        self.total = 0
        self._by_holder: dict[Holder, int] = {}

    @classmethod
    def for_messages(cls, max_bytes: int) -> "HeldRequests":
        """Return the bound for requests of so many bytes each: two of them are held at least."""
        return cls(max(MAX_HELD_BYTES, 2 * max_bytes))

    def take(self, holder: Holder, size: int, *, of: int) -> bool:
        """Count so many bytes more of a request, which takes `of` bytes with them.

        Returns:
            Whether they may be held; where not, they are counted all the same, and the request has to end.
        """
        self._by_holder[holder] = self._by_holder.get(holder, 0) + size
        self.total += size
        return self.total <= self.most or self._evict(holder, of)

    def release(self, holder: Holder, size: int) -> None:
        """Count so many bytes less."""
        self.total -= size
        left = self._by_holder.get(holder, 0) - size
        if left > 0:
            self._by_holder[holder] = left
        else:
            self._by_holder.pop(holder, None)

    @contextmanager
    def holding(self, holder: Holder, size: int) -> Iterator[None]:
        """Count a request that is whole within the block. Raises StatusError where it may not be held."""
        if size <= WORTH_COUNTING:
            yield
            return
        fits = self.take(holder, size, of=size)
        try:
            if not fits:
                raise self.full()
            yield
        finally:
            self.release(holder, size)

    def full(self) -> StatusError:
        """Return the error for a request that has to end."""
        return StatusError(
            Code.RESOURCE_EXHAUSTED,
            f"requests take over {self.most} bytes of this server already: ask again later, or start the server with a "
            "larger --max_held_bytes",
            retry_after=_RETRY_SECONDS,
        )

    def _evict(self, holder: Holder, of: int) -> bool:
        while self.total > max(self.most, of):
            for other in sorted(self._by_holder, key=self._by_holder.__getitem__, reverse=True):
                if other.make_room(more_than=of if other is holder else 0):
                    break
                if other is holder:
                    return False
        return True
