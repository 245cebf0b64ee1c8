"""What a call held is given back when it ends, not when the garbage collector comes by: that may be long, or never."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from serving.transports.http2.exchange import Exchange
from serving.transports.transport import Call, Stream, Unary
from tests.serving.transports.wire import running

CALLS = 20


class Held:
    """Something large that a handler waits for and answers by."""


@pytest.fixture
def no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("kind", ["unary", "stream"])
def test_nothing_is_left_of_a_call_that_was_answered(kind: str, *, waits: bool) -> None:
    held: weakref.WeakSet[Held] = weakref.WeakSet()

    async def bring() -> Held:
        brought = Held()
        held.add(brought)
        if not waits:
            return brought
        coming: asyncio.Future[Held] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(coming.set_result, brought)
        del brought
        return await coming

    async def unary(message: bytes, call: Call) -> bytes:
        call.trailing["x-held"] = str(bool(await bring()))
        return message

    async def stream(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for message in messages:
            call.trailing["x-held"] = str(bool(await bring()))
            yield message

    methods = [Unary("/zoo.Echo/Unary", unary), Stream("/zoo.Echo/Stream", stream)]
    with running(methods) as served, grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        for _ in range(CALLS):
            if kind == "unary":
                assert channel.unary_unary("/zoo.Echo/Unary")(b"a", timeout=30) == b"a"
            else:
                assert list(channel.stream_stream("/zoo.Echo/Stream")(iter([b"a"]), timeout=30)) == [b"a"]
        # The last may be about to end.
        assert len(held) <= 1
        assert sum(isinstance(each, Exchange) for each in gc.get_objects()) <= 1
