"""One connection that keeps a number of calls on their way, over HTTP/2 as gRPC has it.

gRPC's own Python client takes 150 us of processor time and more a call: on cores that it shares with the server that is most
of what there is, and a fast server looks like a slow one. This one takes a tenth of it. It speaks to this package's own
transport, whose answers use no table of HPACK's.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import unquote

from serving.transports.http2 import literals
from serving.transports.http2.frame_reader import FrameReader
from serving.transports.http2.frames import (
    ACK,
    DATA,
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADER,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    MAX_FRAME_SIZE,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    read_settings,
    read_u31,
    settings_frame,
    window_update,
)
from serving.transports.http2.messages import PREFIX_BYTES, prefixed

_OK = literals.field("grpc-status", "0")
_DEADLINE = "30S"
_MOST_FAILURES = 100
"""Then no more is asked."""
_LONGEST = 20.0
"""Seconds that are added at most where calls take so long that few have ended."""


_NOTHING = memoryview(b"")


class BrokenConnectionError(Exception):
    """The server ended the connection, or says what nobody expects."""


@dataclass
class Told:
    """What became of the calls."""

    latencies: list[float] = field(default_factory=list)
    """Seconds, of the calls that began and ended while it counted, and were answered."""
    seconds: float = 0.0
    """For which it counted."""
    sent: int = 0
    """All calls, also those before and after."""
    failed: int = 0
    failure: str = ""
    """The last one."""
    answers: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    """How often each answer came: (index of the request, message)."""


@dataclass(slots=True)
class _Call:
    request: int
    begun: float
    window: int
    parts: list[bytes] = field(default_factory=list)
    unsent: memoryview = _NOTHING


class Caller(asyncio.Protocol):
    """Asks in turn; each call that ends is followed by the next, until the time is over. Lives in the event loop."""

    def __init__(
        self, method: str, requests: Sequence[bytes], *, in_flight: int, warm_up: float, seconds: float
    ) -> None:
        """Prepare.

        Args:
            method: `/package.Service/Method`.
            requests: serialized messages.
            in_flight: how many calls are on their way at any time.
            warm_up: seconds of calls that do not count, before those that do.
            seconds: of those; more, where a call takes longer.
        """
        head = [(":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost")]
        head += [("te", "trailers"), ("content-type", "application/grpc"), ("grpc-timeout", _DEADLINE)]
        self._head = literals.fields(head)
        self._messages = [prefixed(each) for each in requests]
        self._in_flight, self._warm_up, self._seconds = in_flight, warm_up, seconds
        self._from = self._until = 0.0
        self._reader = FrameReader(LARGEST_FRAME)
        self._window = self._initial_window = DEFAULT_WINDOW
        self._max_frame = DEFAULT_FRAME
        self._calls: dict[int, _Call] = {}
        self._waiting: deque[int] = deque()
        """Streams whose requests did not fit their windows."""
        self._next = 1
        self._consumed = 0
        self._out: list[bytes] = []
        self._is_begun = False
        self._transport: Any = None
        self._handlers = {
            DATA: self._on_data,
            HEADERS: self._on_headers,
            RST_STREAM: self._on_rst_stream,
            SETTINGS: self._on_settings,
            PING: self._on_ping,
            GOAWAY: self._on_goaway,
            WINDOW_UPDATE: self._on_window_update,
        }
        self.told = Told()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport
        ours = ((ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, LARGEST_WINDOW), (MAX_FRAME_SIZE, LARGEST_FRAME))
        self._transport.write(PREFACE + settings_frame(ours) + window_update(0, LARGEST_WINDOW - DEFAULT_WINDOW))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            for kind, flags, stream_id, payload in self._reader.read(data):
                if kind in self._handlers:
                    self._handlers[kind](flags, stream_id, payload)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._end(error)
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._end(BrokenConnectionError(f"the server ended the connection{f': {exc}' if exc else ''}"))

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002 - as all of them
        self._calls[stream_id].parts.append(payload)
        self._consumed += len(payload)
        if self._consumed > LARGEST_WINDOW >> 1:
            self._out.append(window_update(0, self._consumed))
            self._consumed = 0

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not flags & END_HEADERS:
            raise BrokenConnectionError("an answer's head in pieces, which this caller does not read")
        if flags & END_STREAM:
            self._finish(stream_id, payload)

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        if not stream_id:
            self._window += read_u31(payload)
        elif stream_id in self._calls:
            self._calls[stream_id].window += read_u31(payload)
        self._send_waiting()

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        if flags & ACK:
            return
        for key, value in read_settings(payload):
            if key == INITIAL_WINDOW_SIZE:
                for call in self._calls.values():
                    call.window += value - self._initial_window
                self._initial_window = value
            elif key == MAX_FRAME_SIZE:
                self._max_frame = value
        self._out.append(frame(SETTINGS, ACK, 0))
        if not self._is_begun:
            self._is_begun = True
            self._from = perf_counter() + self._warm_up
            self._until = self._from + self._seconds
            for _ in range(self._in_flight):
                self._ask(perf_counter())

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        if not flags & ACK:
            self._out.append(frame(PING, ACK, 0, payload))

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        self._fail(stream_id, f"the server reset the stream (code {int.from_bytes(payload, 'big')})")

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        raise BrokenConnectionError(f"the server takes no more calls: {payload[8:].decode(errors='replace')}")

    def _ask(self, now: float) -> None:
        request = self.told.sent % len(self._messages)
        self.told.sent += 1
        stream_id, message, size = self._next, self._messages[request], len(self._head)
        self._next += 2
        call = self._calls[stream_id] = _Call(request, now, self._initial_window)
        self._out += (HEADER.pack(size >> 8, size & 0xFF, HEADERS, END_HEADERS, stream_id), self._head)
        size = len(message)
        if not self._waiting and size <= min(self._window, call.window, self._max_frame):
            self._window -= size
            self._out += (HEADER.pack(size >> 8, size & 0xFF, DATA, END_STREAM, stream_id), message)
        else:
            call.unsent = memoryview(message)
            self._waiting.append(stream_id)
            self._send_waiting()

    def _send_waiting(self) -> None:
        """Send of the requests that wait, in their order, what windows let through."""
        for _ in range(len(self._waiting)):
            stream_id = self._waiting.popleft()
            call = self._calls.get(stream_id)
            if call is None:
                continue
            while call.unsent and (size := min(self._window, call.window, self._max_frame, len(call.unsent))) > 0:
                piece, call.unsent = call.unsent[:size], call.unsent[size:]
                self._window -= size
                call.window -= size
                self._out.append(frame(DATA, 0 if call.unsent else END_STREAM, stream_id, bytes(piece)))
            if call.unsent:
                self._waiting.append(stream_id)

    def _finish(self, stream_id: int, trailers: bytes) -> None:
        if _OK not in trailers:
            self._fail(stream_id, _reason(trailers))
            return
        now, call = perf_counter(), self._calls.pop(stream_id)
        self.told.answers[call.request, b"".join(call.parts)[PREFIX_BYTES:]] += 1
        if call.begun >= self._from and not self.told.seconds:
            self.told.latencies.append(now - call.begun)
        self._go_on(now)

    def _fail(self, stream_id: int, reason: str) -> None:
        if self._calls.pop(stream_id, None) is not None:
            self.told.failed += 1
            self.told.failure = reason
            self._go_on(perf_counter())

    def _go_on(self, now: float) -> None:
        if not self.told.seconds:
            late, few = now - self._until, len(self.told.latencies) < self._in_flight
            if self.told.failed < _MOST_FAILURES and (late < 0 or (few and late < _LONGEST)):
                self._ask(now)
                return
            self.told.seconds = max(now - self._from, 1e-9)
        if not self._calls:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            if error is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(error)
            self._transport.close()


def _reason(trailers: bytes) -> str:
    code, text = literals.find(trailers, "grpc-status"), literals.find(trailers, "grpc-message")
    if code is None:
        return "an answer without a status"
    return f"status {code}: {unquote(text or '')}"
