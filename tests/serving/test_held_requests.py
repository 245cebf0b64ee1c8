"""One bound on what requests take, whoever sent them and however."""

import asyncio
import gzip
import http.client
import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import hyperframe.frame as hf
import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving
from serving.held_requests import HeldRequests
from serving.transports.grpcio import GrpcioTransport
from serving.transports.http2.transport import AsyncioTransport
from serving.transports.place import Place
from serving.transports.transport import Call, Unary
from serving.wire import PREDICT
from tests.serving.http.asking import ask
from tests.serving.transports.wire import (
    RawClient,
    data_frame,
    grpc_message,
    headers_frame,
    request_block,
    running,
)

MOST = 1000


@dataclass(eq=False)
class Sender:
    """A holder whose requests, by number, are written down here; those that have not come whole can be ended."""

    held: HeldRequests
    sizes: dict[int, int] = field(default_factory=dict)
    coming: set[int] = field(default_factory=set)

    def make_room(self, more_than: int) -> bool:
        largest = max(self.coming, key=self.sizes.__getitem__, default=None)
        if largest is None or self.sizes[largest] <= more_than:
            return False
        self.end(largest)
        return True

    def end(self, request: int) -> None:
        self.coming.discard(request)
        self.held.release(self, self.sizes.pop(request))

    def send(self, request: int, size: int) -> bool:
        self.coming.add(request)
        self.sizes[request] = self.sizes.get(request, 0) + size
        if self.held.take(self, size, of=self.sizes[request]):
            return True
        self.end(request)
        return False


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 3), st.integers(1, 1500), st.sampled_from(["send", "send", "whole", "end"])
    ),
    max_size=60,
)


@given(STEPS)
def test_no_more_is_held_than_may_be_but_one_request_alone(steps: list[tuple[int, int, int, str]]) -> None:
    held = HeldRequests(MOST)
    senders = [Sender(held) for _ in range(4)]
    for who, request, size, what in steps:
        sender = senders[who]
        if what == "send" and (request in sender.coming or request not in sender.sizes):
            is_alone = not any(set(each.sizes) - ({request} if each is sender else set()) for each in senders)
            assert sender.send(request, size) or not is_alone
        elif what == "whole":
            sender.coming.discard(request)
        elif what == "end" and request in sender.sizes:
            sender.end(request)
        everything = [size for each in senders for size in each.sizes.values()]
        assert held.total == sum(everything)
        assert held.total <= MOST or len(everything) == 1


def test_who_holds_more_and_has_not_sent_it_all_makes_room() -> None:
    held = HeldRequests(MOST)
    greedy, whole, modest = Sender(held), Sender(held), Sender(held)
    assert whole.send(1, 500)
    whole.coming.clear()
    assert greedy.send(1, 300)
    assert greedy.send(2, 150)
    assert modest.send(1, 100)
    assert (list(greedy.sizes), held.total) == ([2], 750)


def test_who_holds_most_is_refused_and_the_others_stay() -> None:
    held = HeldRequests(MOST)
    one, other = Sender(held), Sender(held)
    assert one.send(1, 400)
    assert other.send(1, 500)
    assert not other.send(1, 200)
    assert (one.sizes, other.sizes) == ({1: 400}, {})


def test_a_small_request_has_a_larger_one_of_its_own_connection_end() -> None:
    held = HeldRequests(MOST)
    proxy = Sender(held)
    assert proxy.send(1, 950)
    assert proxy.send(2, 100)
    assert proxy.sizes == {2: 100}


def begun(stream_id: int, size: int, path: str) -> bytes:
    """A call whose last byte does not come."""
    message = grpc_message(bytes(size))[:-1]
    pieces = (message[at : at + 16_000] for at in range(0, len(message), 16_000))
    head = headers_frame(stream_id, request_block((":path", path)))
    return head + b"".join(data_frame(stream_id, each) for each in pieces)


def send_and_see_it_read(client: RawClient, data: bytes) -> None:
    client.send(data + hf.PingFrame(0, b"all read").serialize())
    client.until(lambda frame: isinstance(frame, hf.PingFrame) and frame.opaque_data == b"all read")


async def size_of(message: bytes, call: Call) -> bytes:
    return len(message).to_bytes(4)


def test_requests_of_all_connections_are_bounded_together() -> None:
    held, method = HeldRequests(500_000), Unary("/zoo.Echo/Unary", size_of, 1 << 30)
    with running([method], held=held) as server, ExitStack() as stack:
        one, two, three = (stack.enter_context(RawClient(server.port)) for _ in range(3))
        for client, size in ((one, 300_000), (two, 150_000), (three, 100_000)):
            send_and_see_it_read(client, begun(1, size, method.path))
        trailers = one.status(1)
        assert trailers["grpc-status"] == "8"
        assert "--max_held_bytes" in trailers["grpc-message"]
        assert "grpc-status-details-bin" in trailers  # which says when to ask again
        for client in (two, three):
            client.send(data_frame(1, b"\0", "END_STREAM"))
            assert client.status(1)["grpc-status"] == "0"
    assert held.total == 0


@pytest.mark.parametrize(
    ("kind", "compression"),
    [
        (AsyncioTransport, grpc.Compression.NoCompression),
        (AsyncioTransport, grpc.Compression.Gzip),
        (GrpcioTransport, grpc.Compression.NoCompression),
    ],
)
def test_requests_that_are_answered_count_by_what_they_were_unpacked_to(
    kind: type[AsyncioTransport | GrpcioTransport], compression: grpc.Compression
) -> None:
    """A few kilobytes on their way."""

    async def ask_twice() -> None:
        entered, leave = asyncio.Event(), asyncio.Event()
        held = HeldRequests(12 << 20)

        async def keep(message: bytes, call: Call) -> bytes:
            entered.set()
            await leave.wait()
            return await size_of(message, call)

        transport = kind(
            [Unary("/zoo.Keep/Unary", keep, 10 << 20)], Place("127.0.0.1", 0), max_message_bytes=10 << 20, held=held
        )
        port = await transport.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", compression=compression) as channel:
                method = channel.unary_unary("/zoo.Keep/Unary")
                first = asyncio.ensure_future(as_future(method(bytes(9 << 20), timeout=60)))
                await asyncio.wait_for(entered.wait(), 60)
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await method(bytes(8 << 20), timeout=60)
                assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                leave.set()
                assert await first == (9 << 20).to_bytes(4)
                assert await method(bytes(9 << 20), timeout=60) == (9 << 20).to_bytes(4)
        finally:
            await transport.stop(0)
        assert held.total == 0

    asyncio.run(ask_twice())


async def as_future(call: Any) -> bytes:
    return await call


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[serving.Server]:
    with serving.Server(
        repository, port=0, rest_api_port=-1, poll_seconds=0, max_held_bytes=1 << 20, transport="asyncio"
    ) as started:
        yield started


PADDED = gzip.compress(b'{"instances": [4.0]' + b" " * 300_000 + b"}")


def is_answered_over_http(server: serving.Server) -> bool:
    answer = ask(
        server.rest_api_port, "POST", "/v1/models/affine:predict", PADDED, {"Content-Encoding": "gzip"}
    )  # fmt: skip
    return answer.status == 200 and answer.json == {"predictions": [5.0]}


def test_http_and_grpc_have_one_bound(server: serving.Server) -> None:
    with RawClient(server.port) as greedy:
        send_and_see_it_read(greedy, begun(1, 900_000, PREDICT))
        assert is_answered_over_http(server)
        assert greedy.status(1)["grpc-status"] == "8"


def test_a_body_that_does_not_come_whole_makes_room(server: serving.Server) -> None:
    head = b"POST /v1/models/affine:predict HTTP/1.1\r\nHost: zoo\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection(("localhost", server.rest_api_port), timeout=60) as greedy:
        greedy.sendall(head + b" " * 900_000)
        while not select.select([greedy], [], [], 0)[0]:  # until its bytes have been read
            assert is_answered_over_http(server)
        answer = http.client.HTTPResponse(greedy)
        answer.begin()
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert "--max_held_bytes" in json.loads(answer.read())["error"]


def test_a_request_that_alone_takes_more_is_answered(server: serving.Server) -> None:
    body = b'{"instances": [4.0]' + b" " * (3 << 20) + b"}"
    assert ask(server.rest_api_port, "POST", "/v1/models/affine:predict", body).json == {"predictions": [5.0]}
