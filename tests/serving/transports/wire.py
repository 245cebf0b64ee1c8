"""Both ends of HTTP/2 for tests: a session without a socket, a server in a thread, and clients that need not behave."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Self

import hpack
import hyperframe.frame as hf

from serving.transports.http2.frames import PREFACE
from serving.transports.http2.limits import Limits
from serving.transports.http2.peer import Peer
from serving.transports.http2.receiver import Receiver
from serving.transports.http2.session import Session
from serving.transports.http2.switchboard import Switchboard
from serving.transports.http2.transport import AsyncioTransport
from serving.transports.place import Place
from serving.transports.transport import Call, Stream, Unary

Methods = Sequence[Unary | Stream]
REQUEST = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/zoo.Echo/Unary"),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
)


async def echo(message: bytes, call: Call) -> bytes:
    return message


async def echo_stream(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message


ECHO = (Unary("/zoo.Echo/Unary", echo, 1 << 30), Stream("/zoo.Echo/Stream", echo_stream, 1 << 30))


class Waiting:
    """A method that waits until its call is ended, and tells how."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()

    async def unary(self, message: bytes, call: Call) -> bytes:
        self.began.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.ended.set()
            raise
        return b""

    async def stream(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        yield b"first"
        await self.unary(b"", call)


def grpc_message(message: bytes, *, flag: int = 0) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


def request_block(*changes: tuple[str, str], without: str = "", encoder: hpack.Encoder | None = None) -> bytes:
    fields = {name: value for name, value in (*REQUEST, *changes) if name != without}
    return (encoder or hpack.Encoder()).encode(list(fields.items()))


def headers_frame(stream_id: int, block: bytes, *flags: str) -> bytes:
    return hf.HeadersFrame(stream_id, block, flags=("END_HEADERS", *flags)).serialize()


def data_frame(stream_id: int, data: bytes, *flags: str) -> bytes:
    return hf.DataFrame(stream_id, data, flags=flags).serialize()


def call_bytes(stream_id: int, message: bytes = b"hello", *changes: tuple[str, str]) -> bytes:
    """A whole unary call."""
    return headers_frame(stream_id, request_block(*changes)) + data_frame(
        stream_id, grpc_message(message), "END_STREAM"
    )


OPENING = PREFACE + hf.SettingsFrame(0).serialize()


def read_frames(data: bytes) -> list[hf.Frame]:
    """All frames of what a server sent, by a library that is not ours."""
    frames = []
    while data:
        frame, size = hf.Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + size]))
        frames.append(frame)
        data = data[9 + size :]
    return frames


class Wire:
    """A session whose client is the test: bytes in, bytes out, and a loop that runs when it is told to."""

    def __init__(self, methods: Methods = ECHO, limits: Limits | None = None, max_message_bytes: int = 1 << 30) -> None:
        self.loop = asyncio.new_event_loop()
        self.board = Switchboard(
            methods, loop=self.loop, limits=limits or Limits(), max_message_bytes=max_message_bytes
        )
        self.session = Session(self.board, Peer("test:"), lambda: None)
        self.receiver = Receiver(self.session)
        self.session.begin()

    def send(self, data: bytes) -> bytes:
        """Send to the server, and return what it answers without waiting for anything."""
        if not self.session.is_over:
            self.loop.call_soon(self.receiver.receive, data)
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))
        return self.session.outbox.take()

    async def idle(self) -> None:
        """Wait until no call is being answered."""
        while self.board.tasks:
            await asyncio.wait(set(self.board.tasks))

    def close(self) -> None:
        self.loop.call_soon(self.session.abandon)
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))
        for task in self.board.tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.board.offload.close()
        self.loop.close()


class Running:
    """A transport in a loop of its own."""

    def __init__(self, transport: AsyncioTransport, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.transport = transport
        self.loop = loop
        self.port = port

    def run(self, work: Awaitable[object]) -> object:
        async def wait() -> object:
            return await work

        return asyncio.run_coroutine_threadsafe(wait(), self.loop).result(30)

    def stop(self, grace: float = 0) -> None:
        self.run(self.transport.stop(grace))


@contextlib.contextmanager
def running(
    methods: Methods = ECHO, *, max_message_bytes: int = 1 << 30, reuse_port: bool = False, **fields: object
) -> Iterator[Running]:
    """A transport that answers `methods`; `fields` are its own, or those of Limits."""
    names = Limits.__dataclass_fields__
    limits = Limits(**{name: value for name, value in fields.items() if name in names})  # type: ignore[arg-type]
    own = {name: value for name, value in fields.items() if name not in names}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    transport = AsyncioTransport(
        methods,
        Place("127.0.0.1", 0, reuse_port=reuse_port),
        max_message_bytes=max_message_bytes,
        limits=limits,
        **own,  # type: ignore[arg-type]
    )
    served = Running(transport, loop, 0)
    try:
        served.port = served.run(transport.start())  # type: ignore[assignment]
        yield served
    finally:
        served.stop()
        served.run(loop.shutdown_asyncgens())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


class RawClient:
    """A socket that says whatever it is told to."""

    def __init__(self, port: int, *, opening: bytes = OPENING, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(30)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self._received = b""
        self.socket.sendall(opening)

    def send(self, data: bytes) -> None:
        """Send; a server that has hung up already is what the test will see."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def frames(self) -> Iterator[hf.Frame]:
        """Frames as they come, until the server closes."""
        while True:
            header = self._exactly(9)
            if header is None:
                return
            frame, size = hf.Frame.parse_frame_header(memoryview(header))
            body = self._exactly(size)
            if body is None:
                return
            frame.parse_body(memoryview(body))
            yield frame

    def until(self, wanted: Callable[[hf.Frame], bool]) -> hf.Frame:
        for frame in self.frames():
            if wanted(frame):
                return frame
        raise AssertionError("the server closed the connection before")

    def goaway(self) -> tuple[int, bytes]:
        """Read to the end, and return why the server says that it is."""
        said = [frame for frame in self.frames() if isinstance(frame, hf.GoAwayFrame)]
        return said[-1].error_code, said[-1].additional_data

    def status(self, stream_id: int) -> dict[str, str]:
        """The trailers of a call."""
        decoder = hpack.Decoder()
        for frame in self.frames():
            if isinstance(frame, hf.HeadersFrame):
                fields = dict(decoder.decode(frame.data))
                if frame.stream_id == stream_id and "END_STREAM" in frame.flags:
                    return fields
        raise AssertionError("the server closed the connection before")

    def is_closed(self) -> bool:
        """Read to the end; an end it has to be."""
        for _ in self.frames():
            pass
        return True

    def _exactly(self, size: int) -> bytes | None:
        while len(self._received) < size:
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not more:
                return None
            self._received += more
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.socket.close()
