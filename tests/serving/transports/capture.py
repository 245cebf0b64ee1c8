"""What gRPC's own client sends, byte for byte."""

import contextlib
import functools
import socket
import threading
from collections.abc import Iterator

import grpc

from tests.serving.transports.wire import running


@functools.cache
def captured() -> bytes:
    """The bytes of a connection with unary calls, a stream, metadata, compression, a deadline and a cancelled call."""
    sent = bytearray()
    with running() as server, relay(server.port, sent) as port:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            unary, stream = channel.unary_unary("/zoo.Echo/Unary"), channel.stream_stream("/zoo.Echo/Stream")
            for size in (0, 10, 10, 300):
                unary(bytes(size), timeout=30, metadata=(("key", "value"), ("blob-bin", b"\0\1\2")))
            unary(bytes(1000), timeout=30, compression=grpc.Compression.Gzip)
            assert list(stream(iter([b"a", b"b" * 200]), timeout=30)) == [b"a", b"b" * 200]
            silence = threading.Event()
            call = stream(iter(lambda: (silence.wait(30) and b"") or b"", None), timeout=30)
            call.cancel()
            silence.set()
            unary(b"last", timeout=30)
    return bytes(sent)


@contextlib.contextmanager
def relay(port: int, sent: bytearray) -> Iterator[int]:
    """A port that passes one connection on, and keeps what the client sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def serve() -> None:
            client, _ = listener.accept()
            upstream = socket.create_connection(("127.0.0.1", port))
            threads.append(threading.Thread(target=pump, args=(upstream, client, None)))
            threads[-1].start()
            pump(client, upstream, sent)

        threads.append(threading.Thread(target=serve))
        threads[0].start()
        yield listener.getsockname()[1]
        for thread in threads:
            thread.join(30)


def pump(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
    with source, contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            if kept is not None:
                kept += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
