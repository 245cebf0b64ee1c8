"""Bytes that nobody would send, also for minutes: `make fuzz` sets ZOO_FUZZ_SECONDS."""

import os
import random
import time
from collections.abc import Iterator

import pytest

from serving.transports.http2.limits import Limits
from tests.serving.transports.capture import captured
from tests.serving.transports.wire import ECHO, OPENING, Wire, call_bytes, read_frames

SECONDS = float(os.environ.get("ZOO_FUZZ_SECONDS", "0"))
CASES = 150


def cases() -> Iterator[random.Random]:
    """Sources of chance, each with its own number: the short form is the same every time."""
    stop = time.monotonic() + SECONDS
    number = 0
    while number < CASES or time.monotonic() < stop:
        yield random.Random(number)  # noqa: S311 - to be repeatable
        number += 1


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change, cut, repeat and mix up a few places."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(changed))
        kind = chance.randrange(5)
        if kind == 0:
            changed[at] = chance.randrange(256)
        elif kind == 1:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del changed[at : at + chance.randint(1, 20)]
        elif kind == 3:
            changed[at:at] = changed[at : at + chance.randint(1, 60)]
        else:
            changed[at:at] = chance.randbytes(chance.randint(1, 12))
        if not changed:
            break
    return bytes(changed)


def random_frames(chance: random.Random) -> bytes:
    data = b""
    for _ in range(chance.randint(1, 20)):
        payload = chance.randbytes(chance.choice([0, 1, 4, 5, 6, 8, 9, 30]))
        kind, flags, stream_id = chance.randrange(12), chance.randrange(256), chance.randrange(8)
        data += len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload
    return data


def survives(data: bytes, chance: random.Random, caplog: pytest.LogCaptureFixture) -> None:
    """Send bytes in pieces of any size: answers are frames, time is bounded, and nothing is left behind.

    An answer carries what was asked on its stream, or nothing: the echo of another call's message would be misrouted.
    """
    wire = Wire(ECHO, Limits(max_held_bytes=1 << 20), max_message_bytes=1 << 20)
    began = time.process_time()
    try:
        position = 0
        answers = b""
        while position < len(data):
            size = chance.choice([1, 9, 50, 1000, 1 << 16])
            answers += wire.send(data[position : position + size])
            position += size
        read_frames(answers)
        wire.loop.call_soon(wire.session.abandon)
        wire.loop.run_until_complete(wire.idle())
        assert (wire.board.calls, wire.session.outbox.unsent, wire.session.held) == (0, 0, 0)
        assert not [record for record in caplog.records if record.levelname == "ERROR"]
        assert time.process_time() - began < 10
    finally:
        wire.close()


def test_mutated_calls_of_a_real_client_do_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    original = captured()
    assert original.startswith(OPENING[:24])
    for chance in cases():
        survives(mutated(original, chance), chance, caplog)


def test_mutations_after_the_opening_do_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    calls = captured()[24:]
    for chance in cases():
        survives(OPENING + mutated(calls, chance), chance, caplog)


def test_random_frames_do_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    for chance in cases():
        survives(OPENING + call_bytes(1) + random_frames(chance), chance, caplog)


def test_answers_go_to_the_call_that_asked(caplog: pytest.LogCaptureFixture) -> None:
    """Calls of many streams, their frames mixed, and blocks that change the table in between."""
    import hpack

    from tests.serving.transports.wire import data_frame, grpc_message, headers_frame, request_block

    for chance in cases():
        encoder = hpack.Encoder()
        wire = Wire(ECHO)
        wire.send(OPENING)
        asked: dict[int, bytes] = {}
        waiting: list[list[bytes]] = []
        data = b""
        for number in range(chance.randint(1, 20)):
            stream_id = 2 * number + 1
            asked[stream_id] = b"%d" % chance.randrange(1000) * chance.randint(1, 30)
            path = chance.choice(["/zoo.Echo/Unary", "/zoo.Echo/Stream"])
            if not chance.randrange(5):
                encoder.header_table_size = chance.choice([0, 100, 4096])
            block = request_block((":path", path), ("x", str(chance.randrange(3))), encoder=encoder)
            data += headers_frame(stream_id, block)
            whole = grpc_message(asked[stream_id])
            cut = chance.randrange(len(whole))
            waiting.append([data_frame(stream_id, whole[cut:], "END_STREAM"), data_frame(stream_id, whole[:cut])])
            while waiting and chance.randrange(2):
                pieces = chance.choice(waiting)
                data += pieces.pop()
                waiting = [each for each in waiting if each]
        while waiting:
            pieces = chance.choice(waiting)
            data += pieces.pop()
            waiting = [each for each in waiting if each]
        answers = wire.send(data)
        wire.loop.run_until_complete(wire.idle())
        answers += wire.session.outbox.take()
        got: dict[int, bytes] = {}
        for frame in read_frames(answers):
            if type(frame).__name__ == "DataFrame":
                got[frame.stream_id] = got.get(frame.stream_id, b"") + frame.data
        assert got == {stream_id: grpc_message(message) for stream_id, message in asked.items()}
        wire.close()
