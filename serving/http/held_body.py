"""What the body of one request over HTTP takes until it is answered."""

import asyncio

from serving.held_requests import HeldRequests
from serving.status import StatusError


class HeldBody:
    """Counts the bytes of a body; see `serving.held_requests.Holder`. Belongs to the task that answers the request."""

    def __init__(self, held: HeldRequests) -> None:
        self._held = held
        self._taken = 0
        self._limit: asyncio.Timeout | None = None
        self.is_whole = False
        """Whether all of it has come."""
        self.has_made_room = False
        """Whether it had to end for the sake of others."""

    def begin(self, limit: asyncio.Timeout) -> None:
        """Tell what has the task stop to wait for more."""
        self._limit = limit

    def take(self, size: int) -> StatusError | None:
        """Count so many bytes more; return the error where they may not be held."""
        self._taken += size
        return None if self._held.take(self, size, of=self._taken) else self._held.full()

    def release(self) -> None:
        """Count none any more."""
        self._held.release(self, self._taken)
        self._taken = 0

    def make_room(self, more_than: int) -> bool:
        """See Holder."""
        if self.is_whole or self._limit is None or self._taken <= more_than:
            return False
        self.has_made_room = True
        self.release()
        self._limit.reschedule(asyncio.get_running_loop().time())
        return True

    def full(self) -> StatusError:
        """Return the error for a body that had to make room."""
        return self._held.full()
