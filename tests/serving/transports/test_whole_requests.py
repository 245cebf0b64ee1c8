"""What comes whole in one read is asked for at once, together, and only what nobody has given up by then."""

from collections.abc import Iterator, Sequence

import hyperframe.frame as hf
import pytest

from serving.status import invalid
from serving.transports.transport import Asked, Call, Ended, Unary
from tests.serving.transports.wire import (
    OPENING,
    Wire,
    call_bytes,
    data_frame,
    grpc_message,
    headers_frame,
    read_frames,
    request_block,
)


class Method:
    """A method that answers some at once, and counts how it was asked."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.together: list[list[bytes]] = []
        self.handled: list[bytes] = []

    def at_once(self, asked: Sequence[Asked]) -> Sequence[Ended | None]:
        messages = [message for message, _ in asked]
        self.together.append(messages)
        if b"break" in messages:
            raise RuntimeError("a fault of the server's")
        wrong = {b"handler": None, b"wrong": invalid("not this")}
        return [wrong.get(message, message.upper()) for message in messages]

    async def handle(self, message: bytes, call: Call) -> bytes:
        self.handled.append(message)
        return b"by its handler"

    @property
    def unary(self) -> Unary:
        return Unary(self.path, self.handle, 1000, at_once=self.at_once)


@pytest.fixture
def methods() -> tuple[Method, Method]:
    return Method("/zoo.Echo/Unary"), Method("/zoo.Echo/Other")


@pytest.fixture
def wire(methods: tuple[Method, Method]) -> Iterator[Wire]:
    made = Wire([method.unary for method in methods])
    made.send(OPENING)
    yield made
    made.close()


def ends(data: bytes) -> dict[int, bytes]:
    """What was answered, without its prefix, by stream; nothing where there was only a status."""
    frames = read_frames(data)
    ended = {each.stream_id: b"" for each in frames if isinstance(each, hf.HeadersFrame) and "END_STREAM" in each.flags}
    return ended | {each.stream_id: each.data[5:] for each in frames if isinstance(each, hf.DataFrame)}


def test_calls_of_one_read_are_asked_together_by_method(wire: Wire, methods: tuple[Method, Method]) -> None:
    first, other = methods
    sent = wire.send(
        call_bytes(1, b"a")
        + call_bytes(3, b"b", (":path", other.path))
        + call_bytes(5, b"handler")
        + call_bytes(7, b"c")
    )
    assert first.together == [[b"a", b"handler", b"c"]]
    assert other.together == [[b"b"]]
    assert first.handled == [b"handler"]
    assert ends(sent) == {1: b"A", 3: b"B", 5: b"by its handler", 7: b"C"}


def test_calls_of_several_reads_are_not_waited_for(wire: Wire, methods: tuple[Method, Method]) -> None:
    first, _ = methods
    whole, begun = call_bytes(1, b"a"), headers_frame(3, request_block())
    assert ends(wire.send(whole + begun)) == {1: b"A"}
    assert ends(wire.send(data_frame(3, grpc_message(b"b"), "END_STREAM"))) == {3: b"B"}
    assert first.together == [[b"a"], [b"b"]]


def test_what_was_given_up_in_the_same_read_is_not_asked(wire: Wire, methods: tuple[Method, Method]) -> None:
    first, _ = methods
    given_up = call_bytes(1, b"a") + hf.RstStreamFrame(1, 8).serialize()
    assert ends(wire.send(given_up)) == {}
    assert ends(wire.send(call_bytes(3, b"b") + hf.RstStreamFrame(3, 8).serialize() + call_bytes(5, b"c"))) == {5: b"C"}
    assert first.together == [[b"c"]]
    assert not wire.session.streams


def test_nothing_is_asked_once_the_connection_has_failed(wire: Wire, methods: tuple[Method, Method]) -> None:
    first, _ = methods
    frames = read_frames(wire.send(call_bytes(1, b"a") + headers_frame(2, request_block())))
    assert [type(each) for each in frames] == [hf.GoAwayFrame]
    assert first.together == []


def test_what_goes_wrong_ends_the_calls_and_no_more(wire: Wire, methods: tuple[Method, Method]) -> None:
    first, _ = methods
    assert ends(wire.send(call_bytes(1, b"wrong") + call_bytes(3, b"b"))) == {1: b"", 3: b"B"}
    assert ends(wire.send(call_bytes(5, b"break") + call_bytes(7, b"b"))) == {5: b"", 7: b""}
    assert ends(wire.send(call_bytes(9, b"break"))) == {9: b""}
    assert ends(wire.send(call_bytes(11, b"b"))) == {11: b"B"}
    assert first.handled == []
