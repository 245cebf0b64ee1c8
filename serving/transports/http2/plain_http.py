"""Requests of HTTP that are no calls of gRPC."""

from typing import TYPE_CHECKING

from serving.status import StatusError
from serving.transports.http2.exchange import Exchange
from serving.transports.http2.literals import field, fields
from serving.transports.http2.request_head import RequestHead
from serving.transports.http2.stream import Stream

if TYPE_CHECKING:
    from serving.transports.http2.session import Session

_MOST_UNREAD = 64 << 10
"""Bytes of a request that are waited for, and dropped."""
_HEADERS = {
    405: [("allow", "POST")],
    415: [("content-type", "text/plain"), ("grpc-status", "3"), ("grpc-message", "expected content-type application/grpc")],
}  # fmt: skip


class PlainHttpExchange(Exchange):
    """See Exchange. Refuses in HTTP's own terms, by status, once the request has come.

    Not sooner, for that takes RST_STREAM, and curl 7.88 then forgets the answer, against RFC 9113, section 8.1.
    """

    __slots__ = ()
    is_stream = False

    def __init__(self, session: "Session", stream: Stream, head: RequestHead) -> None:
        super().__init__(session, stream, head)
        self.arm()

    def receive(self, data: bytes, *, ended: bool) -> None:  # noqa: ARG002 - nobody reads it
        """See Exchange."""
        if not self.is_over and (ended or self._stream.received > _MOST_UNREAD):
            self._refuse()

    def waits_for_client(self) -> bool:
        """See Exchange."""
        return True

    def _fail(self, error: StatusError) -> None:  # noqa: ARG002 - it is refused in any case
        if not self.is_over:
            self._refuse()

    def _refuse(self) -> None:
        self._finish()
        status = self._head.http_status
        self._stream.head_sent = True
        self._session.end_answer(self._stream, field(":status", str(status)) + fields(_HEADERS[status]))

    def _cancel_task(self) -> None:
        """Do nothing: there is none."""
