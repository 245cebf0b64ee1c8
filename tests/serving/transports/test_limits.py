"""What one peer may take of the server, each limit attacked over a real socket."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import hpack
import hyperframe.frame as hf
import pytest

from serving.transports.transport import Call, Stream, Unary
from tests.serving.transports.wire import (
    ECHO,
    OPENING,
    RawClient,
    call_bytes,
    data_frame,
    grpc_message,
    headers_frame,
    request_block,
    running,
)

CALM, PROTOCOL, REFUSED = 11, 1, 7


def is_answered(client: RawClient, stream_id: int = 1) -> bool:
    """Whether the server still answers a call of this connection."""
    client.send(call_bytes(stream_id))
    return client.status(stream_id)["grpc-status"] == "0"


async def never(message: bytes, call: Call) -> bytes:
    await asyncio.get_running_loop().create_future()
    return b""


FLOODS: dict[str, bytes | Callable[[int], bytes]] = {
    "PING": hf.PingFrame(0, bytes(8)).serialize(),
    "SETTINGS": hf.SettingsFrame(0, {3: 100}).serialize(),
    "acknowledged SETTINGS": hf.SettingsFrame(0, flags=("ACK",)).serialize(),
    "PRIORITY": lambda i: hf.PriorityFrame(2 * i + 1, depends_on=0, stream_weight=1).serialize(),
    "WINDOW_UPDATE": hf.WindowUpdateFrame(0, 1).serialize(),
    "unknown frames": b"\0\0\0\xee\0\0\0\0\0",
    "empty DATA": data_frame(1, b""),
    "single bytes": lambda i: data_frame(1, b"\0" if i else grpc_message(bytes(5000))[:4]),
    "errors of streams": lambda i: headers_frame(2 * i + 3, request_block(without=":path")),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_frames_of_no_use_ends_the_connection(name: str) -> None:
    with running() as server, RawClient(server.port) as client:
        client.send(headers_frame(1, request_block()))
        flood = FLOODS[name]
        client.send(flood * 2500 if isinstance(flood, bytes) else b"".join(flood(i) for i in range(2500)))
        code, text = client.goaway()
        assert code == CALM
        if name == "PING":
            assert text == b"too_many_pings"  # which gRPC's clients take as a hint


def test_frames_of_control_that_belong_to_calls_are_no_flood() -> None:
    with running(useless_frames=50) as server, RawClient(server.port) as client:
        for number in range(400):
            client.send(call_bytes(2 * number + 1) + hf.WindowUpdateFrame(0, 10).serialize() * 4)
        assert is_answered(client, 801)


def test_a_flood_begins_with_the_first_frame_beyond_the_limit() -> None:
    update = hf.WindowUpdateFrame(0, 1).serialize()
    with running(useless_frames=300, useless_frames_per_second=0) as server, RawClient(server.port) as client:
        client.send(update * 299)  # and the SETTINGS that it began with
        assert is_answered(client)
    with running(useless_frames=300, useless_frames_per_second=0) as server, RawClient(server.port) as client:
        client.send(update * 300)
        assert client.goaway()[0] == CALM


def test_calls_that_are_reset_as_soon_as_they_begin_end_the_connection() -> None:
    """CVE-2023-44487, "rapid reset"."""
    with running([Unary("/zoo.Echo/Unary", never)], resets=100) as server, RawClient(server.port) as client:
        reset = [call_bytes(2 * i + 1) + hf.RstStreamFrame(2 * i + 1, 8).serialize() for i in range(3000)]
        client.send(b"".join(reset))
        assert client.goaway()[0] == CALM


def test_calls_that_the_server_is_made_to_reset_end_the_connection() -> None:
    """CVE-2025-8671: the server resets what the client gets wrong, and goes on computing for it."""
    with (
        running([Unary("/zoo.Echo/Unary", never)], resets=50, useless_frames=100_000) as server,
        RawClient(server.port) as client,
    ):
        wrong = [call_bytes(2 * i + 1) + hf.WindowUpdateFrame(2 * i + 1, (1 << 31) - 1).serialize() for i in range(500)]
        client.send(b"".join(wrong))
        assert client.goaway()[0] == CALM


def test_resets_of_a_client_that_is_answered_otherwise_are_borne() -> None:
    with running(resets=20, resets_per_second=0) as server, RawClient(server.port) as client:
        for number in range(0, 200, 2):
            begun = headers_frame(2 * number + 1, request_block()) + hf.RstStreamFrame(2 * number + 1, 8).serialize()
            client.send(begun + call_bytes(2 * number + 3))
        assert is_answered(client, 1001)


@pytest.mark.parametrize("size", [0, 1000])
def test_a_header_block_without_end_ends_the_connection(size: int) -> None:
    """CVE-2024-27316, "CONTINUATION flood"."""
    with running() as server, RawClient(server.port) as client:
        client.send(hf.HeadersFrame(1, request_block()).serialize())
        client.send(hf.ContinuationFrame(1, b"\x00" * size).serialize() * 2000)
        assert client.goaway()[0] == CALM


def test_a_header_block_that_unfolds_into_much_ends_the_connection() -> None:
    with running() as server, RawClient(server.port) as client:
        bomb = request_block() + b"\x40\x01a\x7f\x80\x1e" + b"v" * 3967 + b"\xbe" * 4000
        client.send(headers_frame(1, bomb))
        assert client.goaway()[0] == CALM


def test_metadata_over_the_limit_is_refused_and_the_connection_stays() -> None:
    with running(max_header_list_bytes=2000) as server, RawClient(server.port) as client:
        client.send(call_bytes(1, b"", ("x", "y" * 2500)))
        trailers = client.status(1)
        assert (trailers["grpc-status"], "the limit is 2000" in trailers["grpc-message"]) == ("8", True)
        assert is_answered(client, 3)


def test_a_frame_over_the_limit_is_not_waited_for() -> None:
    with running() as server, RawClient(server.port) as client:
        client.send(b"\x01\x00\x01\0\0\0\0\0\x01")  # 65,537 bytes, of which none come
        assert client.goaway()[0] == 6


def test_streams_over_the_limit_are_refused_as_never_begun() -> None:
    with (
        running([Unary("/zoo.Echo/Unary", never)], max_concurrent_streams=3) as server,
        RawClient(server.port) as client,
    ):
        client.send(b"".join(call_bytes(2 * i + 1) for i in range(4)))
        refused = client.until(lambda frame: isinstance(frame, hf.RstStreamFrame))
        assert (refused.stream_id, refused.error_code) == (7, REFUSED)


def test_calls_over_the_limit_of_all_connections_are_refused() -> None:
    with (
        running([*ECHO[1:], Unary("/zoo.Echo/Unary", never)], max_calls=2) as server,
        RawClient(server.port) as one,
        RawClient(server.port) as other,
    ):
        one.send(call_bytes(1) + call_bytes(3) + hf.PingFrame(0, b"ponderin").serialize())
        one.until(lambda frame: isinstance(frame, hf.PingFrame))
        other.send(call_bytes(1))
        assert other.until(lambda frame: isinstance(frame, hf.RstStreamFrame)).error_code == REFUSED


def test_connections_over_the_limit_are_closed_unless_an_idle_one_makes_room() -> None:
    methods = [*ECHO[1:], Unary("/zoo.Echo/Unary", never)]
    with running(methods, max_connections=1) as server, RawClient(server.port) as first:
        ping = hf.PingFrame(0, b"ponderin").serialize()
        first.send(ping)
        first.until(lambda frame: isinstance(frame, hf.PingFrame))
        with RawClient(server.port) as second:
            second.send(call_bytes(1) + ping)
            second.until(lambda frame: isinstance(frame, hf.PingFrame))
            assert first.goaway() == (0, b"")
            with RawClient(server.port) as third:
                assert third.is_closed()


@pytest.mark.parametrize(
    "opening",
    [b"", OPENING[:20], OPENING[:24], OPENING[:30]],
    ids=["nothing", "half a preface", "no SETTINGS", "half of SETTINGS"],
)
def test_who_does_not_begin_is_not_waited_for(opening: bytes) -> None:
    with running(handshake_seconds=0.1) as server, RawClient(server.port, opening=opening) as client:
        assert client.is_closed()


def test_who_speaks_another_protocol_is_told_in_http2() -> None:
    with running() as server, RawClient(server.port, opening=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        assert client.goaway()[0] == PROTOCOL


@pytest.mark.parametrize(
    "begun",
    [
        b"\0\0\x05\0\0\0\0\0\x01ab",
        hf.HeadersFrame(3, request_block()).serialize(),
    ],
    ids=["a frame", "a header block"],
)
def test_what_is_begun_and_not_gone_on_with_ends_the_connection(begun: bytes) -> None:
    with running(frame_seconds=0.1) as server, RawClient(server.port) as client:
        client.send(headers_frame(1, request_block()) + begun)
        assert client.is_closed()


@pytest.mark.parametrize("begun", [b"", data_frame(1, grpc_message(bytes(100))[:50])], ids=["nothing", "half"])
def test_a_request_that_stalls_ends_and_the_connection_stays(begun: bytes) -> None:
    with running(stall_seconds=0.1) as server, RawClient(server.port) as client:
        client.send(headers_frame(1, request_block()) + begun)
        trailers = client.status(1)
        assert (trailers["grpc-status"], "no byte of the request" in trailers["grpc-message"]) == ("4", True)
        assert is_answered(client, 3)


def test_an_answer_that_nobody_takes_is_given_up_and_the_connection_stays() -> None:
    opening = OPENING + hf.SettingsFrame(0, {4: 10}).serialize()
    with running(stall_seconds=0.1) as server, RawClient(server.port, opening=opening) as client:
        client.send(call_bytes(1, bytes(100)))
        reset = client.until(lambda frame: isinstance(frame, hf.RstStreamFrame))
        assert (reset.stream_id, reset.error_code) == (1, 8)
        client.send(hf.SettingsFrame(0, {4: 1000}).serialize())
        assert is_answered(client, 3)


def test_an_idle_connection_is_asked_to_end() -> None:
    with running(idle_seconds=0.1) as server, RawClient(server.port) as client:
        assert client.goaway() == (0, b"")


def test_an_old_connection_is_asked_to_end_and_its_calls_are_ended_after_the_grace() -> None:
    with (
        running([Unary("/zoo.Echo/Unary", never)], max_age_seconds=0.1, age_grace_seconds=0.1) as server,
        RawClient(server.port) as client,
    ):
        client.send(call_bytes(1))
        assert client.status(1)["grpc-status"] == "14"
        assert client.is_closed()


def test_a_client_that_is_gone_without_a_word_is_noticed() -> None:
    with (
        running([Unary("/zoo.Echo/Unary", never)], keepalive_seconds=0.1, keepalive_timeout_seconds=0.1) as server,
        RawClient(server.port) as client,
    ):
        client.send(call_bytes(1))
        client.until(lambda frame: isinstance(frame, hf.PingFrame))
        assert client.is_closed()


def test_who_never_reads_answers_is_not_waited_for() -> None:
    """The windows are wide open, and the socket is full."""
    opening = OPENING + hf.SettingsFrame(0, {4: (1 << 31) - 1}).serialize()
    opening += hf.WindowUpdateFrame(0, (1 << 31) - 1 - 65_535).serialize()

    async def much(message: bytes, call: Call) -> bytes:
        return bytes(32 << 20)

    with (
        running([Unary("/zoo.Echo/Unary", much)], stall_seconds=0.2) as server,
        RawClient(server.port, opening=opening) as client,
    ):
        client.send(call_bytes(1))
        taken = len(client.until(lambda frame: isinstance(frame, hf.DataFrame)).data)
        server.run(server.transport._until_empty(30))  # noqa: SLF001 - nobody tells of it; nothing is read meanwhile
        assert taken + sum(len(frame.data) for frame in client.frames() if isinstance(frame, hf.DataFrame)) < 32 << 20


def test_who_asks_for_errors_and_reads_none_loses_the_connection() -> None:
    """No window holds these answers back."""
    encoder = hpack.Encoder()
    first, again = (request_block((":path", "/zoo.Echo/Nothing"), encoder=encoder) for _ in range(2))
    with running() as server, RawClient(server.port, receive_buffer=4096) as client:
        client.send(headers_frame(1, first, "END_STREAM"))
        client.status(1)
        frame = headers_frame(3, again, "END_STREAM")
        client.send(b"".join(frame[:5] + i.to_bytes(4, "big") + frame[9:] for i in range(3, 120_000, 2)))
        server.run(server.transport._until_empty(30))  # noqa: SLF001
        answered = sum(isinstance(frame, hf.HeadersFrame) for frame in client.frames())
        assert answered < 59_000


def test_new_calls_are_refused_while_answers_wait_to_be_read() -> None:
    async def much(message: bytes, call: Call) -> bytes:
        return bytes(1 << 20)

    with (
        running([Unary("/zoo.Echo/Unary", much)], max_unsent_bytes=100_000) as server,
        RawClient(server.port) as client,
    ):
        client.send(call_bytes(1) + call_bytes(3))
        trailers = client.status(3)
        assert (trailers["grpc-status"], "wait to be read" in trailers["grpc-message"]) == ("8", True)


def test_a_stream_of_answers_that_nobody_takes_is_not_gone_on_with() -> None:
    made = []

    async def endless(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        while True:
            made.append(1)
            yield bytes(10_000)

    with running([Stream("/zoo.Echo/Stream", endless)]) as server, RawClient(server.port) as client:
        client.send(headers_frame(1, request_block((":path", "/zoo.Echo/Stream"))))
        taken = 0
        for frame in client.frames():
            taken += len(frame.data) if isinstance(frame, hf.DataFrame) else 0
            if taken == 65_535:
                break
        client.send(hf.PingFrame(0, b"still up").serialize())
        client.until(lambda frame: isinstance(frame, hf.PingFrame))
        assert len(made) <= (65_535 + (64 << 10)) // 10_000 + 2


def test_more_than_the_window_is_an_error_of_the_stream() -> None:
    async def unread(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        await asyncio.get_running_loop().create_future()
        yield b""

    methods = [*ECHO[:1], Stream("/zoo.Echo/Stream", unread)]
    with running(methods, stream_window=65_535) as server, RawClient(server.port) as client:
        client.send(headers_frame(1, request_block((":path", "/zoo.Echo/Stream"))))
        client.send(data_frame(1, grpc_message(bytes(10_000))) * 7)
        reset = client.until(lambda frame: isinstance(frame, hf.RstStreamFrame))
        assert (reset.stream_id, reset.error_code) == (1, 3)
        assert is_answered(client, 3)


def test_unfinished_requests_of_a_connection_are_bounded_together() -> None:
    with running(max_held_bytes=100_000) as server, RawClient(server.port) as client:
        for number in range(5):
            client.send(headers_frame(2 * number + 1, request_block()))
            client.send(b"".join(data_frame(2 * number + 1, piece) for piece in halves(grpc_message(bytes(60_000)))))
        # Two fit; of the others, each goes as it grows over what is left.
        assert len(read_until_ended(client, 3)) == 3


def halves(message: bytes) -> list[bytes]:
    return [message[i : i + 10_000] for i in range(0, 50_000, 10_000)]


def read_until_ended(client: RawClient, count: int) -> list[int]:
    ended: list[int] = []
    for frame in client.frames():
        if isinstance(frame, hf.HeadersFrame) and "END_STREAM" in frame.flags:
            ended.append(frame.stream_id)
            if len(ended) == count:
                break
    return ended


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_message_that_unfolds_into_much_is_refused_unread(encoding: str) -> None:
    bits = {"gzip": 31, "deflate": 15}[encoding]
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    bomb = packer.compress(bytes(40 << 20)) + packer.flush()
    with running(max_message_bytes=1 << 20) as server, RawClient(server.port) as client:
        before = peak_megabytes()
        call = headers_frame(1, request_block(("grpc-encoding", encoding)))
        pieces = [grpc_message(bomb, flag=1)[i : i + 16_000] for i in range(0, len(bomb) + 5, 16_000)]
        client.send(call + b"".join(data_frame(1, piece) for piece in pieces) + data_frame(1, b"", "END_STREAM"))
        assert client.status(1)["grpc-status"] == "8"
        assert peak_megabytes() - before < 20


def peak_megabytes() -> float:
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1000


def test_a_connection_that_says_nothing_takes_little_memory() -> None:
    with running() as server:
        clients = [RawClient(server.port) for _ in range(200)]
        before = peak_megabytes()
        clients += [RawClient(server.port) for _ in range(300)]
        assert is_answered(clients[-1])
        assert (peak_megabytes() - before) / 300 < 0.05
        for client in clients:
            client.socket.close()
