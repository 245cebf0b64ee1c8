"""Coroutines that are begun without a task, and go on in one where they wait."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest

from serving.status import Code, StatusError
from serving.transports.transport import Call, Unary
from tests.serving.transports.wire import OPENING, Wire, call_bytes, headers_frame, read_frames, request_block

name: ContextVar[str] = ContextVar("name", default="nobody")
Handler = Callable[[bytes, Call], Awaitable[bytes]]


def answer(handler: Handler, *, sleep: float = 0.2, calls: int = 1) -> list[bytes]:
    """The messages that a handler answers, in the order in which they are sent."""
    wire = Wire([Unary("/zoo.Echo/Unary", handler)])
    data = wire.send(OPENING + b"".join(call_bytes(2 * i + 1, b"%d" % i) for i in range(calls)))
    wire.loop.run_until_complete(asyncio.sleep(sleep))
    data += wire.session.outbox.take()
    wire.close()
    return [frame.data[5:] for frame in read_frames(data) if type(frame).__name__ == "DataFrame"]


def test_a_handler_that_does_not_wait_is_answered_before_anything_else_runs() -> None:
    wire = Wire()
    wire.receiver.receive(OPENING + call_bytes(1))
    assert any(getattr(frame, "data", b"")[5:] == b"hello" for frame in read_frames(wire.session.outbox.take()))
    assert not wire.board.tasks
    wire.close()


def test_every_call_has_a_context_of_its_own() -> None:
    async def handler(message: bytes, call: Call) -> bytes:
        before = name.get()
        name.set(message.decode())
        if message == b"1":
            await asyncio.sleep(0)
        return f"{before} then {name.get()}".encode()

    assert sorted(answer(handler, calls=3)) == [b"nobody then 0", b"nobody then 1", b"nobody then 2"]
    assert name.get() == "nobody"


def test_a_timeout_that_begins_in_the_first_step_ends_what_waits() -> None:
    async def handler(message: bytes, call: Call) -> bytes:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(30)
        except TimeoutError:
            return b"timed out"
        return b"not"

    assert answer(handler) == [b"timed out"]


def test_a_timeout_that_is_over_before_the_task_begins_ends_it_too() -> None:
    async def handler(message: bytes, call: Call) -> bytes:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(30)
        except TimeoutError:
            return b"timed out"
        return b"not"

    assert answer(handler) == [b"timed out"]


def test_a_group_of_tasks_may_begin_in_the_first_step() -> None:
    async def fail() -> None:
        raise ValueError("no")

    async def handler(message: bytes, call: Call) -> bytes:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await asyncio.sleep(30)
        except ExceptionGroup as errors:
            return str(errors.exceptions[0]).encode()
        return b"not"

    assert answer(handler) == [b"no"]


@pytest.mark.parametrize("when", ["before the task begins", "while it waits"])
def test_a_reset_call_is_cancelled_where_it_waits(when: str) -> None:
    ended: list[str] = []

    async def handler(message: bytes, call: Call) -> bytes:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return b""

    wire = Wire([Unary("/zoo.Echo/Unary", handler)])
    reset = b"\0\0\4\3\0\0\0\0\1\0\0\0\x08"
    if when == "while it waits":
        wire.send(OPENING + call_bytes(1))
        wire.send(reset)
    else:
        wire.send(OPENING + call_bytes(1) + reset)
    wire.send(b"")
    assert ended == ["cancelled"]
    assert not wire.board.tasks
    wire.close()


def test_what_a_handler_raises_is_told_whenever_it_does() -> None:
    async def handler(message: bytes, call: Call) -> bytes:
        if message == b"1":
            await asyncio.sleep(0)
        raise StatusError(Code.NOT_FOUND, f"no {message.decode()}")

    wire = Wire([Unary("/zoo.Echo/Unary", handler)])
    data = wire.send(OPENING + call_bytes(1, b"0") + call_bytes(3, b"1"))
    assert all(text in data for text in (b"no 0", b"no 1"))
    wire.close()


def test_a_handler_that_yields_to_the_loop_goes_on() -> None:
    async def handler(message: bytes, call: Call) -> bytes:
        for _ in range(3):
            await asyncio.sleep(0)
        future = asyncio.get_running_loop().create_future()
        future.set_exception(KeyError("x"))
        try:
            await future
        except KeyError:
            return b"went on"
        return b"not"

    assert answer(handler) == [b"went on"]


def test_a_deadline_ends_only_what_waits() -> None:
    async def handler(message: bytes, call: Call) -> bytes:
        await asyncio.sleep(30)
        return b""

    wire = Wire([Unary("/zoo.Echo/Unary", handler)])
    wire.send(OPENING + call_bytes(1, b"", ("grpc-timeout", "10m")))
    wire.loop.run_until_complete(asyncio.sleep(0.05))
    assert b"Deadline Exceeded" in wire.session.outbox.take()
    assert not wire.session.streams
    wire.close()


def test_a_deadline_holds_for_requests_that_never_come_whole() -> None:
    wire = Wire()
    wire.send(OPENING + headers_frame(1, request_block(("grpc-timeout", "10m"))))
    wire.loop.run_until_complete(asyncio.sleep(0.05))
    assert b"Deadline Exceeded" in wire.session.outbox.take()
    wire.close()
