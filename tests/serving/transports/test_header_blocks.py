"""Header blocks that are remembered, against a decoder that remembers nothing."""

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.transports.http2.errors import ConnectionFault, ErrorCode
from serving.transports.http2.header_blocks import Fields, HeaderBlocks

NAMES = [b"a", b"path", b"x-long-name-of-a-field"]
VALUES = [b"", b"1", b"2", b"v" * 40]


def text(value: bytes) -> bytes:
    return bytes([len(value)]) + value


indexed = st.integers(1, 70).map(lambda index: bytes([0x80 | index]))
literal = st.tuples(st.sampled_from([0x00, 0x10, 0x40]), st.sampled_from(NAMES), st.sampled_from(VALUES)).map(
    lambda parts: bytes([parts[0]]) + text(parts[1]) + text(parts[2])
)
named = st.tuples(st.sampled_from([0x40 | 4, 0x40 | 62, 0x0F]), st.sampled_from(VALUES)).map(
    lambda parts: (bytes([parts[0]]) if parts[0] != 0x0F else b"\x0f\x2f") + text(parts[1])
)  # name 4, 62 or, past four bits, 62 again
resize = st.sampled_from([b"\x20", b"\x3f\x11", b"\x3f\x61", b"\x3f\xe1\x1f"])  # to 0, 48, 128 and 4096 bytes
block = st.tuples(st.lists(resize, max_size=1), st.lists(indexed | literal | named, max_size=4)).map(
    lambda parts: b"".join(parts[0] + parts[1])
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), pool=st.lists(block, min_size=1, max_size=5))
def test_whatever_came_before_a_block_means_what_it_means_to_a_decoder_without_memory(
    data: st.DataObject, pool: list[bytes]
) -> None:
    """Blocks come again and again, while others change the table beneath them."""
    ours: HeaderBlocks[Fields] = HeaderBlocks(list, max_list_bytes=1 << 16)
    reference = hpack.Decoder()
    for each in data.draw(st.lists(st.sampled_from(pool), max_size=30)):
        try:
            expected = [(bytes(name), bytes(value)) for name, value in reference.decode(each, raw=True)]
        except hpack.HPACKError:
            with pytest.raises(ConnectionFault):
                ours.decode(each)
            return
        assert ours.decode(each) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 64, 200, 4096]), st.integers(0, 40)), min_size=1, max_size=30))
def test_blocks_of_a_real_encoder_are_read_as_they_were_written(calls: list[tuple[int, int]]) -> None:
    encoder = hpack.Encoder()
    ours: HeaderBlocks[Fields] = HeaderBlocks(list, max_list_bytes=1 << 16)
    for size, number in calls:
        encoder.header_table_size = size
        fields = [(b":method", b"POST"), (b":path", b"/m/%d" % (number % 3)), (b"grpc-timeout", b"%dm" % number)]
        assert ours.decode(encoder.encode(fields)) == fields


def test_a_block_that_comes_again_is_made_into_something_once() -> None:
    made = []
    ours = HeaderBlocks(lambda fields: made.append(fields) or len(made), max_list_bytes=1 << 16)
    plain = b"\x00" + text(b"a") + text(b"1")
    assert [ours.decode(plain) for _ in range(3)] == [1, 1, 1]
    ours.decode(b"\x40" + text(b"b") + text(b"2"))
    assert ours.decode(plain) == 3


def test_memory_for_blocks_is_bounded() -> None:
    ours: HeaderBlocks[Fields] = HeaderBlocks(list, max_list_bytes=1 << 16)
    for number in range(5000):
        ours.decode(b"\x00" + text(b"a") + text(b"%d" % number))
    assert len(ours._known) <= 256  # noqa: SLF001


def test_a_small_block_that_unfolds_into_a_large_list_ends_the_connection() -> None:
    ours: HeaderBlocks[Fields] = HeaderBlocks(list, max_list_bytes=32 << 10)
    bomb = b"\x40" + text(b"a") + b"\x7f\x80\x1e" + b"v" * 3967 + b"\xbe" * 4000
    with pytest.raises(ConnectionFault) as caught:
        ours.decode(bomb)
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM
