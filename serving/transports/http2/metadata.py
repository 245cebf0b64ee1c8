"""Metadata as header fields, and back.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote_to_bytes

from serving.transports.http2.literals import field

BINARY = "-bin"
_RESERVED = frozenset({"content-type", "te", "content-length"})
_NO_METADATA = re.compile(r"grpc-|:")
_UNPRINTABLE = re.compile(r"[^ -~]")
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_MAX_TEXT_BYTES = 6000
"""Of a message, once encoded: it travels in a header, and clients limit headers to 8 kB."""


def decode_metadata(fields: Iterable[tuple[str, bytes]]) -> dict[str, str | bytes]:
    """Return what of a request's fields is metadata; of a key that comes twice, the last.

    Raises:
        ValueError: a `-bin` field is no base64.
    """
    metadata: dict[str, str | bytes] = {}
    for name, value in fields:
        if name in _RESERVED or _NO_METADATA.match(name):
            continue
        if name.endswith(BINARY):
            metadata[name] = _from_base64(value.rpartition(b",")[2].strip())
        else:
            metadata[name] = value.decode("utf-8", "replace")
    return metadata


def encode_metadata(metadata: Mapping[str, str | bytes]) -> bytes:
    """Return metadata as a header block. What no header can hold becomes question marks."""
    block = b""
    for name, value in metadata.items():
        text = base64.b64encode(value).rstrip(b"=").decode() if isinstance(value, bytes) else value
        if not (text.isascii() and text.isprintable()):
            text = _UNPRINTABLE.sub("?", text)
        block += field(name, text)
    return block


def encode_message(text: str) -> str:
    """Return the text of a status for `grpc-message`: percent-encoded, cut where no client would take it."""
    if text.isascii() and text.isprintable() and "%" not in text:
        return text[:_MAX_TEXT_BYTES]
    encoded = quote(text, safe=_PRINTABLE)
    if len(encoded) <= _MAX_TEXT_BYTES:
        return encoded
    cut = re.sub(r"%[0-9A-F]?$", "", encoded[:_MAX_TEXT_BYTES])
    return quote(unquote_to_bytes(cut).decode("utf-8", "ignore"), safe=_PRINTABLE)  # without half a character


def _from_base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value.rstrip(b"=") + b"=" * (-len(value.rstrip(b"=")) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a metadata field of bytes is no base64: {error}") from None
