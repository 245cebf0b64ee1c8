"""InferStream in one event loop, with requests that are answered by a function."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from tritonclient.grpc import service_pb2 as peer

from serving.call_record import CallRecord
from serving.services.inference.stream import InferStream, StreamLimits
from serving.status import StatusError, invalid
from serving.transports.transport import Call


class Stream:
    """What a handler sees of a stream's call."""

    metadata: Mapping[str, str] = {}
    peer = ""
    identities = ()
    trailing: dict[str, str | bytes] = {}  # noqa: RUF012 - it stays empty

    def __init__(self) -> None:
        self.record = CallRecord("/s/m")

    def time_remaining(self) -> float | None:
        return None


async def feed(count: int) -> AsyncIterator[bytes]:
    for i in range(count):
        yield str(i).encode()


@pytest.mark.parametrize("limits", [StreamLimits(requests=3), StreamLimits(bytes=3)], ids=["requests", "bytes"])
def test_no_more_requests_are_read_than_may_be_in_flight(limits: StreamLimits) -> None:
    async def scenario() -> None:
        began: list[bytes] = []
        gate = asyncio.Event()

        async def answer(message: bytes, call: Call) -> bytes:
            began.append(message)
            await gate.wait()
            return message

        responses = InferStream(answer, "/s/m", limits).answer(feed(10), Stream())  # a byte each
        first = asyncio.ensure_future(anext(responses))
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(began) == 3
        gate.set()
        assert await first == b"0"
        for _ in range(100):  # the answer was not taken further yet: its place is not free
            await asyncio.sleep(0)
        assert len(began) == 3
        assert [each async for each in responses] == [str(i).encode() for i in range(1, 10)]

    asyncio.run(scenario())


def test_a_stream_that_is_left_leaves_nothing_running() -> None:
    async def scenario() -> None:
        async def answer(message: bytes, call: Call) -> bytes:
            if message == b"0":
                return message
            await asyncio.Event().wait()
            raise AssertionError

        responses = InferStream(answer, "/s/m").answer(feed(5), Stream())
        assert await anext(responses) == b"0"
        await responses.aclose()  # type: ignore[attr-defined]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_each_request_of_a_stream_has_a_record_of_its_own() -> None:
    async def scenario() -> None:
        records = []

        async def answer(message: bytes, call: Call) -> bytes:
            records.append(call.record)
            if message == b"1":
                raise invalid("one")
            return message

        responses = [each async for each in InferStream(answer, "/s/m").answer(feed(3), Stream())]
        assert len({id(record) for record in records}) == 3
        assert responses[0] == b"0"
        assert peer.ModelStreamInferResponse.FromString(responses[1]).error_message == "one"

    asyncio.run(scenario())


def test_status_errors_end_a_strict_stream() -> None:
    async def scenario() -> None:
        async def answer(message: bytes, call: Call) -> bytes:
            raise invalid("no")

        stream = Stream()
        stream.metadata = {"triton_grpc_error": "true"}
        with pytest.raises(StatusError, match="no"):
            await anext(InferStream(answer, "/s/m").answer(feed(1), stream))

    asyncio.run(scenario())
