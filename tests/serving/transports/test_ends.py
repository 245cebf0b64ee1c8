"""A server that ends: calls may finish, streams may not, and nobody new comes in."""

import asyncio
import threading

import hyperframe.frame as hf
import pytest

from serving.transports.transport import Call, Stream, Unary
from tests.serving.transports.wire import (
    RawClient,
    Waiting,
    call_bytes,
    headers_frame,
    request_block,
    running,
)


def test_the_end_lets_calls_finish_and_takes_no_new_connection() -> None:
    release = threading.Event()

    async def slow(message: bytes, call: Call) -> bytes:
        await asyncio.to_thread(release.wait, 30)
        return message

    with running([Unary("/zoo.Echo/Unary", slow)]) as server, RawClient(server.port) as client:
        client.send(call_bytes(1))
        client.send(hf.PingFrame(0, b"has come").serialize())
        client.until(lambda frame: isinstance(frame, hf.PingFrame))
        stopping = threading.Thread(target=server.stop, args=(30,))
        stopping.start()
        first = client.until(lambda frame: isinstance(frame, hf.GoAwayFrame))
        assert (first.last_stream_id, first.error_code) == ((1 << 31) - 1, 0)
        ping = client.until(lambda frame: isinstance(frame, hf.PingFrame))
        client.send(call_bytes(3))  # sent before the client knew
        client.send(hf.PingFrame(0, ping.opaque_data, flags=("ACK",)).serialize())
        second = client.until(lambda frame: isinstance(frame, hf.GoAwayFrame))
        assert (second.last_stream_id, second.error_code) == (3, 0)
        with pytest.raises(OSError, match="refused"):
            RawClient(server.port)
        release.set()
        ended = [
            client.until(lambda f: isinstance(f, hf.HeadersFrame) and "END_STREAM" in f.flags).stream_id
            for _ in range(2)
        ]
        assert sorted(ended) == [1, 3]
        client.socket.close()
        stopping.join(30)


def test_the_end_ends_streams_at_once_and_calls_after_the_grace() -> None:
    waiting = Waiting()
    methods = [Unary("/zoo.Echo/Wait", waiting.unary), Stream("/zoo.Echo/WaitStream", waiting.stream)]
    with running(methods) as server, RawClient(server.port) as client:
        client.send(headers_frame(1, request_block((":path", "/zoo.Echo/WaitStream"))))
        client.until(lambda frame: isinstance(frame, hf.DataFrame))
        client.send(call_bytes(3, b"", (":path", "/zoo.Echo/Wait")))
        stopping = threading.Thread(target=server.stop, args=(1.5,))
        stopping.start()
        assert [client.status(1)["grpc-status"], client.status(3)["grpc-status"]] == ["14", "14"]
        assert client.is_closed()
        client.socket.close()
        stopping.join(30)
