"""What is an error of the protocol: random frames to this server and to the library h2, which have to agree.

Both get the same frames one after the other, until one refuses. Where they differ, it is for a reason that is listed here.
"""

import asyncio
from collections.abc import AsyncIterator

import h2.config
import h2.connection
import h2.exceptions
import h2.settings
import hyperframe.frame as hf
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.transports.http2.limits import Limits
from serving.transports.transport import Call, Stream
from tests.serving.transports.wire import PREFACE, Wire, read_frames, request_block

SETTINGS_CODES = (1, 2, 3, 4, 5, 6, 99)
PATH = "/zoo.Echo/Silent"


async def silent(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    """Neither reads nor answers."""
    await asyncio.get_running_loop().create_future()
    yield b""


def packed(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload


stream_ids = st.sampled_from([0, 1, 1, 1, 2, 3, 3, 5, 7])
numbers = st.sampled_from([0, 1, 5, 65_535, 1 << 20, (1 << 31) - 1])
GOOD = request_block((":path", PATH))
blocks = st.sampled_from([
    GOOD,
    GOOD,
    GOOD,
    request_block((":path", PATH), ("content-length", "5")),
    request_block(without=":path"),
    request_block((":path", PATH), without=":method"),
    request_block((":path", PATH), ("connection", "close")),
    request_block((":path", PATH), ("te", "gzip")),
    request_block((":path", PATH), ("Upper", "case")),
    request_block((":path", PATH), (":late", "pseudo")),
    request_block((":path", PATH), (":status", "200")),
    b"\x00\x01x\x01y",  # trailers
    b"\x00\x01x",  # cut off
    b"\xff\xff\xff\xff\xff",  # no index
])  # fmt: skip
data_frames = st.builds(
    lambda stream_id, flags, size: packed(0, flags, stream_id, (b"\x04" if flags & 8 else b"") + bytes(size)),
    stream_ids,
    st.sampled_from([0, 0, 1, 1, 8, 9]),
    st.sampled_from([0, 5, 5, 40, 4000, 16_380]),
)
header_frames = st.builds(
    lambda stream_id, flags, block: packed(1, flags, stream_id, bytes(5) * bool(flags & 0x20) + block),
    stream_ids,
    st.sampled_from([4, 4, 4, 5, 5, 5, 0, 1, 0x24]),
    blocks,
)
continuations = st.builds(
    lambda stream_id, flags, block: packed(9, flags, stream_id, block), stream_ids, st.sampled_from([0, 4]), blocks
)
settings_frames = st.builds(
    lambda pairs, flags, stream_id: packed(
        4, flags, stream_id, b"".join(code.to_bytes(2, "big") + value.to_bytes(4, "big") for code, value in pairs)
    ),
    st.lists(st.tuples(st.sampled_from(SETTINGS_CODES), numbers), max_size=2),
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([0, 0, 0, 1]),
)
small_frames = st.builds(
    packed,
    st.sampled_from([2, 3, 6, 7, 8, 11, 200]),
    st.sampled_from([0, 0, 1]),
    stream_ids,
    numbers.map(lambda number: number.to_bytes(4, "big"))
    | st.sampled_from([b"", bytes(3), bytes(4), bytes(5), bytes(8), bytes(9), b"\0\0\0\0\x10"]),
)
beginnings = st.sampled_from([
    [],
    [packed(1, 4, 1, GOOD)],
    [packed(1, 4, 1, GOOD), packed(1, 5, 3, GOOD)],
    [packed(1, 4, 1, GOOD), packed(3, 0, 1, bytes(4))],
    [packed(1, 0, 1, GOOD)],
])  # fmt: skip
rest = st.lists(
    st.one_of(header_frames, data_frames, data_frames, continuations, settings_frames, small_frames), max_size=10
)
frames = st.builds(lambda beginning, rest: beginning + rest, beginnings, rest)


class Reference:
    """h2's server, with the settings that ours has here."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.connection = h2.connection.H2Connection(config)
        self.connection.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100}
        )
        self.connection.initiate_connection()

    def refuses(self, data: bytes) -> str:
        """Say why, or nothing."""
        self.connection.clear_outbound_data_buffer()
        try:
            self.connection.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            return f"{type(error).__name__}: {error}"
        reset = [each for each in read_frames(self.connection.data_to_send()) if isinstance(each, hf.RstStreamFrame)]
        return f"RST_STREAM {reset[0].error_code}" if reset else ""


def refusal(answer: bytes) -> str:
    for frame in read_frames(answer):
        if isinstance(frame, hf.GoAwayFrame) and frame.error_code:
            return f"GOAWAY {frame.error_code} {frame.additional_data.decode()}"
        if isinstance(frame, hf.RstStreamFrame) and frame.error_code:
            return f"RST_STREAM {frame.error_code}"
    return ""


@settings(max_examples=150, deadline=None)
@given(frames)
def test_random_frames_are_errors_here_where_they_are_errors_for_h2(sent: list[bytes]) -> None:
    check(sent)


def check(sent: list[bytes]) -> None:
    limits = Limits(stream_window=65_535, connection_window=65_536, max_frame_bytes=16_384, max_concurrent_streams=100)
    wire = Wire([Stream(PATH, silent, 1 << 20)], limits)
    reference = Reference()
    try:
        opening = PREFACE + packed(4, 0, 0, b"")
        assert (reference.refuses(opening), refusal(wire.send(opening))) == ("", "")
        for number, each in enumerate(sent):
            theirs, ours = reference.refuses(each), refusal(wire.send(each))
            if not theirs and not ours:
                if is_goaway(each):
                    return  # h2 hears nothing after it
                continue
            assert bool(theirs) == bool(ours) or is_deliberate(sent[: number + 1], theirs, ours), (theirs, ours, each)
            return
    finally:
        wire.close()


def is_goaway(frame: bytes) -> bool:
    return frame[3] == 7


def is_deliberate(sent: list[bytes], theirs: str, ours: str) -> bool:
    """Tell whether the two may differ: this server keeps to the RFC where h2 lets something pass, never the other way."""
    kind, flags, stream_id = sent[-1][3], sent[-1][4], int.from_bytes(sent[-1][5:9], "big")
    if theirs:
        return False
    if kind == 1:
        is_even = stream_id % 2 == 0  # a client's streams are odd (5.1.1)
        has_length = bool(flags & 1) and ours == "RST_STREAM 1"  # content-length of a request without content (8.1.1)
        return is_even or has_length
    if kind == 3:
        return "nobody opened" in ours  # an idle stream cannot be reset (6.4)
    codes = [sent[-1][at : at + 2] for at in range(9, len(sent[-1]), 6)]
    return kind == 4 and len(set(codes)) < len(codes)  # each value counts, not the last alone (6.5.3)
