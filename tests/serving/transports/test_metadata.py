"""Metadata and messages of statuses as headers, against the standard library's reading of them."""

import base64
from urllib.parse import unquote

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.transports.http2.literals import fields
from serving.transports.http2.metadata import decode_metadata, encode_message, encode_metadata
from serving.transports.http2.request_head import RequestHead, read_block
from tests.serving.transports.wire import REQUEST

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)


@given(TEXT)
def test_a_message_is_printable_on_the_wire_and_the_same_once_decoded(text: str) -> None:
    encoded = encode_message(text)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert unquote(encoded) == text


@given(st.integers(1990, 2010))
def test_a_long_message_is_cut_between_characters(count: int) -> None:
    assert unquote(encode_message("→" * count)) == "→" * (6000 // 9)


@given(st.binary(max_size=50))
def test_bytes_come_back_as_they_were(value: bytes) -> None:
    ((name, encoded),) = hpack.Decoder().decode(encode_metadata({"a-bin": value}))
    assert base64.b64decode(encoded + "=" * (-len(encoded) % 4)) == value
    assert decode_metadata([(name, encoded.encode())]) == {"a-bin": value}


@given(TEXT)
def test_what_no_header_can_hold_is_never_sent(value: str) -> None:
    ((_, encoded),) = hpack.Decoder().decode(encode_metadata({"a": value}))
    assert all(" " <= character <= "~" for character in encoded)
    assert len(encoded) == len(value)


@given(st.lists(st.tuples(st.sampled_from(["a", "x-" + "n" * 200]), st.integers(0, 20_000)), max_size=5))
def test_fields_of_any_length_are_read_as_they_were_written(pairs: list[tuple[str, int]]) -> None:
    written = [(name, "v" * size) for name, size in pairs]
    assert hpack.Decoder(1 << 20).decode(fields(written)) == written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1H", 3600), ("2M", 120), ("3S", 3), ("4m", 0.004), ("5u", 5e-6), ("6n", 6e-9), ("99999999S", 99_999_999)],
)
def test_timeouts_are_read_in_every_unit(text: str, seconds: float) -> None:
    assert head_with("grpc-timeout", text).timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("name", "value"),
    [("grpc-timeout", "1"), ("grpc-timeout", "123456789S"), ("grpc-timeout", "-1S"), ("a-bin", "AQ=!")],
)
def test_what_cannot_be_read_is_an_error_of_the_call_alone(name: str, value: str) -> None:
    error = head_with(name, value).error
    assert error is not None
    assert name.removeprefix("a") in error.message or "base64" in error.message


def head_with(name: str, value: str) -> RequestHead:
    head = read_block([(key.encode(), text.encode()) for key, text in (*REQUEST, (name, value))])
    assert isinstance(head, RequestHead)
    return head
