"""What waits until answers have left."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from serving.afterwards import Afterwards
from serving.transports.http2.connection import Connection
from serving.transports.http2.limits import Limits
from serving.transports.http2.switchboard import Switchboard
from serving.transports.transport import Asked, Call, Ended, Unary
from tests.serving.transports.wire import OPENING, call_bytes


def test_work_is_done_once_in_its_order_and_what_is_added_meanwhile_too(caplog: pytest.LogCaptureFixture) -> None:
    done: list[object] = []
    afterwards = Afterwards()
    afterwards.add(done.append, 1)
    afterwards.add(lambda: afterwards.add(done.append, 3))
    afterwards.add(lambda: 1 / 0)
    afterwards.add(done.append, 2)
    assert done == []
    with caplog.at_level(logging.ERROR):
        afterwards.do()
    assert done == [1, 2, 3]
    assert "ZeroDivisionError" in caplog.text
    afterwards.do()
    assert done == [1, 2, 3]


class FakeTransport(asyncio.Transport):
    """Tells of every write."""

    def __init__(self, events: list[object]) -> None:
        super().__init__()
        self._events = events

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._events.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return False


def test_a_connection_does_what_is_left_once_its_answers_are_written() -> None:
    events: list[object] = []
    afterwards = Afterwards()

    def answer(asked: Sequence[Asked]) -> Sequence[Ended]:
        afterwards.add(events.append, "counted")
        return [b"hello back" for _ in asked]

    async def handle(message: bytes, call: Call) -> bytes:
        raise AssertionError

    async def scenario() -> None:
        board = Switchboard(
            [Unary("/zoo.Echo/Unary", handle, at_once=answer)],
            loop=asyncio.get_running_loop(),
            limits=Limits(),
            max_message_bytes=1000,
            afterwards=afterwards,
        )
        scratch = memoryview(bytearray(4096))
        connection = Connection(board, scratch, lambda _: None)
        connection.connection_made(FakeTransport(events))

        def read(data: bytes) -> list[object]:
            scratch[: len(data)] = data
            events.clear()
            connection.buffer_updated(len(data))
            return list(events)

        read(OPENING)
        for calls in ([1], [3, 5]):
            written, *then = read(b"".join(map(call_bytes, calls)))
            assert isinstance(written, bytes)
            assert written.count(b"hello back") == len(calls)
            assert then == ["counted"]

    asyncio.run(scenario())
