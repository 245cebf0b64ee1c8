"""What a handler knows of its call."""

import asyncio
from collections.abc import Mapping, MutableMapping, Sequence

from serving.call_record import CallRecord
from serving.transports.http2.peer import Peer
from serving.transports.http2.request_head import RequestHead


class Http2Call:
    """See Call."""

    __slots__ = ("_loop", "_peer", "deadline", "is_expired", "metadata", "record", "trailing")

    def __init__(self, head: RequestHead, peer: Peer, loop: asyncio.AbstractEventLoop) -> None:
        self._peer = peer
        self._loop = loop
        self.metadata: Mapping[str, str | bytes] = head.metadata
        self.record = CallRecord(head.path)
        self.trailing: MutableMapping[str, str | bytes] = {}
        self.deadline = None if head.timeout is None else loop.time() + head.timeout
        """By the clock of the loop."""
        self.is_expired = False

    @property
    def peer(self) -> str:
        """See Call."""
        return self._peer.address

    @property
    def identities(self) -> Sequence[str]:
        """See Call."""
        return self._peer.identities

    def time_remaining(self) -> float | None:
        """See Call."""
        if self.deadline is None:
            return None
        return 0.0 if self.is_expired else max(0.0, self.deadline - self._loop.time())
