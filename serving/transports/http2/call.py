"""What a handler knows of its call."""

import asyncio
from collections.abc import Mapping, MutableMapping, Sequence

from serving.call_record import CallRecord
from serving.transports.http2.peer import Peer
from serving.transports.http2.request_head import RequestHead


class Http2Call:
    """See Call."""

    __slots__ = ("_head", "_loop", "_peer", "_record", "_trailing", "deadline", "is_expired")

    def __init__(self, head: RequestHead, peer: Peer, loop: asyncio.AbstractEventLoop) -> None:
        self._head = head
        self._peer = peer
        self._loop = loop
        self._record: CallRecord | None = None
        self._trailing: dict[str, str | bytes] | None = None
        self.deadline = None if head.timeout is None else loop.time() + head.timeout
        """By the clock of the loop."""
        self.is_expired = False

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """See Call."""
        return self._head.metadata

    @property
    def peer(self) -> str:
        """See Call."""
        return self._peer.address

    @property
    def identities(self) -> Sequence[str]:
        """See Call."""
        return self._peer.identities

    @property
    def record(self) -> CallRecord:
        """See Call."""
        if self._record is None:
            self._record = CallRecord(self._head.path)
        return self._record

    @property
    def trailing(self) -> MutableMapping[str, str | bytes]:
        """See Call."""
        if self._trailing is None:
            self._trailing = {}
        return self._trailing

    def time_remaining(self) -> float | None:
        """See Call."""
        if self.deadline is None:
            return None
        return 0.0 if self.is_expired else max(0.0, self.deadline - self._loop.time())

    def has_trailing(self) -> bool:
        """Tell whether there is trailing metadata."""
        return bool(self._trailing)
