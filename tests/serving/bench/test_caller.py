"""The caller of `zoo bench`, against a server that the library h2 speaks for, and against the one of this package."""

import asyncio
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import serving
from serving.bench.caller import BrokenConnectionError, Caller, Told
from serving.transports.http2 import literals
from serving.transports.http2.frames import DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, frame
from serving.transports.http2.messages import prefixed
from serving.wire import PREDICT

TIMEOUT = 60.0
METHOD = "/a.B/C"
ANSWER_HEAD = literals.STATUS_200 + literals.field("content-type", "application/grpc")


def trailers(code: int = 0, message: str = "") -> bytes:
    return literals.fields([("x-request-id", "7"), ("grpc-status", str(code)), ("grpc-message", message)])


class Peer(asyncio.Protocol):
    """Reads with h2, which holds the caller to the protocol; answers each request with it twice, or as it is told."""

    def __init__(self, answer: "Callable[[Peer, int, bytes], None]", window: int, max_frame: int) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="ascii")
        self.connection = h2.connection.H2Connection(config)
        codes = h2.settings.SettingCodes
        self.connection.local_settings = h2.settings.Settings(
            client=False, initial_values={codes.INITIAL_WINDOW_SIZE: window, codes.MAX_FRAME_SIZE: max_frame}
        )
        self.connection.max_inbound_frame_size = (
            max_frame  # which h2 takes from settings that change, not from the first
        )
        self.answer = answer
        self.heads: list[dict[str, str]] = []
        self.bodies: dict[int, bytearray] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.connection.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.transport.write(self.connection.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.heads.append(dict(event.headers))
                self.bodies[event.stream_id] = bytearray()
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] += event.data
                if event.flow_controlled_length:
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if isinstance(event, h2.events.StreamEnded):
                self.flush()
                self.answer(self, event.stream_id, bytes(self.bodies.pop(event.stream_id))[5:])
        self.flush()


def twice(peer: Peer, stream: int, message: bytes) -> None:
    head = frame(HEADERS, END_HEADERS, stream, ANSWER_HEAD)
    whole = prefixed(2 * message)
    middle = len(whole) // 2
    parts = [frame(DATA, 0, stream, part) for part in (whole[:middle], whole[middle:])]
    peer.transport.write(head + b"".join(parts) + frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers()))


def asked(
    answer: Callable[[Peer, int, bytes], None],
    requests: list[bytes],
    *,
    in_flight: int = 1,
    seconds: float = 0.1,
    window: int = 65_535,
    max_frame: int = 16_384,
) -> tuple[Told, list[Peer]]:
    """Ask such a server for a moment."""

    async def run() -> tuple[Told, list[Peer]]:
        loop, peers = asyncio.get_running_loop(), []

        def peer() -> Peer:
            peers.append(Peer(answer, window, max_frame))
            return peers[-1]

        server = await loop.create_server(peer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        _, caller = await loop.create_connection(
            lambda: Caller(METHOD, requests, in_flight=in_flight, warm_up=0.0, seconds=seconds), "127.0.0.1", port
        )
        try:
            await asyncio.wait_for(caller.ended, TIMEOUT)
        finally:
            server.close()
        return caller.told, peers

    return asyncio.run(run())


def test_every_answer_is_counted_with_its_request() -> None:
    told, (peer,) = asked(twice, [b"one", b"two", b"three"], in_flight=2)
    assert dict(list(told.answers)) == {0: b"oneone", 1: b"twotwo", 2: b"threethree"}
    assert told.sent == sum(told.answers.values()) == len(peer.heads)
    assert 0 < len(told.latencies) <= told.sent
    assert told.failed == 0
    head = peer.heads[0]
    assert (head[":method"], head[":path"], head["te"]) == ("POST", METHOD, "trailers")
    assert head["content-type"] == "application/grpc"
    assert head["grpc-timeout"]


@pytest.mark.parametrize("in_flight", [1, 5, 32])
def test_as_many_calls_are_on_their_way_as_were_asked_for(in_flight: int) -> None:
    waiting: list[tuple[Peer, int, bytes]] = []

    def hold(peer: Peer, stream: int, message: bytes) -> None:
        waiting.append((peer, stream, message))
        assert len(waiting) <= in_flight
        if len(waiting) == in_flight:
            for each in waiting:
                twice(*each)
            waiting.clear()

    def answer(peer: Peer, stream: int, message: bytes) -> None:
        # The last calls, after the time is over, are fewer: they are not waited for in vain.
        hold(peer, stream, message)
        peer.transport.get_extra_info("socket")
        asyncio.get_running_loop().call_later(0.2, flush_rest)

    def flush_rest() -> None:
        for each in waiting:
            twice(*each)
        waiting.clear()

    told, _ = asked(answer, [b"x"], in_flight=in_flight)
    assert sum(told.answers.values()) == told.sent >= in_flight
    assert told.failed == 0


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 70_000), min_size=1, max_size=3),
    st.integers(1, 6),
    st.sampled_from([1_000, 65_535, 1 << 20]),
    st.sampled_from([16_384, 1 << 20]),
)
def test_requests_of_any_size_pass_through_any_windows(
    sizes: list[int], in_flight: int, window: int, max_frame: int
) -> None:
    """h2 refuses what is larger than a window or a frame may be."""
    requests = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    told, _ = asked(twice, requests, in_flight=in_flight, window=window, max_frame=max_frame, seconds=0.02)
    assert told.failed == 0
    assert all(message == 2 * requests[key] for key, message in told.answers)
    assert sum(told.answers.values()) == told.sent >= in_flight


def test_calls_that_fail_are_counted_with_what_the_server_says() -> None:
    def refuse(peer: Peer, stream: int, message: bytes) -> None:
        block = literals.STATUS_200 + trailers(5, "not here: 100%25" + "x" * 300)
        peer.transport.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, block))

    told, _ = asked(refuse, [b"x"], in_flight=3, seconds=30.0)
    assert 100 <= told.failed == told.sent <= 103, "who fails that often stops"
    assert told.failure == "status 5: not here: 100%" + "x" * 300
    assert not told.answers


def test_where_calls_take_longer_than_the_time_it_waits_for_some() -> None:
    def late(peer: Peer, stream: int, message: bytes) -> None:
        asyncio.get_running_loop().call_later(0.15, twice, peer, stream, message)

    told, _ = asked(late, [b"x"], in_flight=3, seconds=0.01)
    assert 3 <= len(told.latencies) <= told.sent
    assert min(told.latencies) > 0.1
    assert told.seconds > 0.1


def test_a_stream_that_is_reset_has_failed() -> None:
    def reset(peer: Peer, stream: int, message: bytes) -> None:
        peer.transport.write(frame(RST_STREAM, 0, stream, (11).to_bytes(4, "big")))

    told, _ = asked(reset, [b"x"], seconds=30.0)
    assert told.failed == told.sent == 100
    assert told.failure == "the server reset the stream (code 11)"


def leave(peer: Peer, stream: int, message: bytes) -> None:
    peer.transport.close()


def turn_away(peer: Peer, stream: int, message: bytes) -> None:
    peer.transport.write(frame(GOAWAY, 0, 0, bytes(8) + b"enough"))


def cut(peer: Peer, stream: int, message: bytes) -> None:
    peer.transport.write(frame(HEADERS, 0, stream, b""))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (leave, "the server ended the connection"),
        (turn_away, "the server takes no more calls: enough"),
        (cut, "an answer's head in pieces"),
    ],
)
def test_a_connection_that_breaks_is_told(answer: Callable[[Peer, int, bytes], None], words: str) -> None:
    with pytest.raises(BrokenConnectionError, match=words):
        asked(answer, [b"x"], seconds=30.0)


def test_it_asks_a_server_of_ours(server: serving.Server, transport: str) -> None:
    """Over the transport of our own, for which it is made."""
    if transport != "asyncio":
        pytest.skip("gRPC's library writes heads by HPACK's tables")

    async def run() -> Told:
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(
            lambda: Caller(PREDICT, [b"no request"], in_flight=4, warm_up=0.0, seconds=30.0), "127.0.0.1", server.port
        )
        await asyncio.wait_for(caller.ended, TIMEOUT)
        return caller.told

    told = asyncio.run(run())
    assert told.failed == told.sent >= 100
    assert told.failure.startswith("status 3: ")


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=400)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,30}", fullmatch=True), texts, min_size=1, max_size=5), st.data())
def test_a_field_that_was_written_is_found(pairs: dict[str, str], data: st.DataObject) -> None:
    block = literals.STATUS_200 + literals.fields(pairs.items())
    name = data.draw(st.sampled_from(sorted(pairs)))
    assert literals.find(block, name) == pairs[name]
    assert literals.find(block, "0" + name) is None
