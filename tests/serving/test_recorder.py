"""Every call's record is complete when it has ended, however it ended."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from serving.call_record import CallRecord
from serving.recorder import Recorder
from serving.statistics import Statistics
from serving.status import Code, invalid
from serving.transports.transport import Call, UnaryHandler


class ACall:
    metadata: Mapping[str, str] = {}
    peer = ""
    identities = ()

    def __init__(self) -> None:
        self.record = CallRecord("/s/m")
        self.trailing: dict[str, str | bytes] = {}

    def time_remaining(self) -> float | None:
        return None


def record_of(handler: UnaryHandler, *, cancel: bool = False) -> CallRecord:
    told: list[CallRecord] = []

    async def scenario() -> None:
        call = asyncio.ensure_future(Recorder([told.append]).unary("/s/m", handler)(b"1234", ACall()))
        await asyncio.sleep(0)
        if cancel:
            call.cancel()
        await asyncio.wait([call])
        assert call.cancelled() or call.exception() is None or call.exception() is not None

    asyncio.run(scenario())
    [record] = told
    return record


def test_an_answer() -> None:
    async def answer(message: bytes, call: Call) -> bytes:
        return b"12"

    record = record_of(answer)
    assert (record.code, record.bytes_in, record.bytes_out) == (Code.OK, 4, 2)
    assert record.seconds["total"] > 0


def test_a_refusal() -> None:
    async def answer(message: bytes, call: Call) -> bytes:
        raise invalid("no")

    assert record_of(answer).code is Code.INVALID_ARGUMENT


def test_a_fault() -> None:
    async def answer(message: bytes, call: Call) -> bytes:
        raise RuntimeError

    assert record_of(answer).code is Code.INTERNAL


def test_a_call_that_is_cancelled() -> None:
    async def answer(message: bytes, call: Call) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    record = record_of(answer, cancel=True)
    assert (record.code, record.bytes_out) == (Code.CANCELLED, 0)


def test_a_stream() -> None:
    async def echo(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message * 2

    async def feed() -> AsyncIterator[bytes]:
        yield b"1"
        yield b"22"

    told: list[CallRecord] = []

    async def scenario() -> None:
        assert [each async for each in Recorder([told.append]).stream("/s/m", echo)(feed(), ACall())] == [
            b"11",
            b"2222",
        ]

    asyncio.run(scenario())
    assert (told[0].bytes_in, told[0].bytes_out, told[0].code) == (3, 6, Code.OK)


def inference(*, rows: int, batch_rows: int, executions: int, compute: float) -> CallRecord:
    record = CallRecord("/s/m", model="m", version=1, rows=rows, batch_rows=batch_rows, executions=executions)
    record.seconds |= {"decode": 0.001, "queue": 0.002, "compute": compute, "encode": 0.003, "total": compute + 0.006}
    return record


def test_a_batch_of_several_calls_is_one_execution() -> None:
    statistics = Statistics()
    statistics.count(inference(rows=2, batch_rows=4, executions=1, compute=0.5))
    statistics.count(inference(rows=1, batch_rows=4, executions=0, compute=0.5))
    found = statistics.of("m", 1)
    assert (found.rows, found.executions, found.success.count) == (3, 1, 2)
    assert found.compute_infer.ns == 1_000_000_000
    assert (found.batches[4].compute_infer.count, found.batches[4].compute_infer.ns) == (1, 500_000_000)
    assert (found.batches[4].compute_input.count, found.batches[4].compute_input.ns) == (1, 2_000_000)
    assert list(statistics.all()) == [("m", 1)]


@pytest.mark.parametrize("record", [CallRecord("/s/m"), CallRecord("/s/m", code=Code.NOT_FOUND)])
def test_a_call_that_reached_no_version_is_no_inference(record: CallRecord) -> None:
    statistics = Statistics()
    statistics.count(record)
    assert statistics.all() == {}
