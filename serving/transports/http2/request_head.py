"""The header block of a request: what HTTP/2 demands of it, and what gRPC reads in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from serving.status import Code, StatusError
from serving.transports.http2.header_blocks import Fields
from serving.transports.http2.metadata import decode_metadata

_NAME = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\0\r\n]")
_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
_OF_ONE_HOP = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_ENTRY_BYTES = 32  # what RFC 7541 counts for a field beside its text
_METHOD_NOT_ALLOWED, _UNSUPPORTED_MEDIA_TYPE = 405, 415


@dataclass(frozen=True)
class RequestHead:
    """What a call begins with. Shared by all calls that begin with the same block: immutable."""

    path: str
    http_status: int
    """What to answer in HTTP's own terms where this is no gRPC; 200 where it is."""
    timeout: float | None
    """Seconds."""
    encoding: str
    """How messages that are marked as compressed are."""
    content_length: int | None
    list_bytes: int
    """Size of the fields, as SETTINGS_MAX_HEADER_LIST_SIZE counts it."""
    metadata: Mapping[str, str | bytes]
    error: StatusError | None
    """What is wrong with it in gRPC's terms."""


@dataclass(frozen=True)
class Trailers:
    """A block without pseudo-header fields, which may end a request."""


@dataclass(frozen=True)
class Malformed:
    """A block that HTTP/2 forbids (RFC 9113, section 8)."""

    reason: str


def read_block(fields: Fields) -> RequestHead | Trailers | Malformed:
    """Tell what a block is."""
    pseudo: dict[bytes, bytes] = {}
    regular: Fields = []
    for name, value in fields:
        if not _NAME.fullmatch(name) or _BAD_VALUE.search(value):
            return Malformed("a field with a character that it may not have")
        if name[0] != ord(":"):
            if name in _OF_ONE_HOP or (name == b"te" and value != b"trailers"):
                return Malformed(f"the field {name.decode()}, which concerns a connection of HTTP/1.1")
            regular.append((name, value.strip(b" \t")))  # gRPC's clients send it, and HTTP/2 would forbid it
        elif regular or name in pseudo or name not in _PSEUDO:
            return Malformed(f"the field {name.decode()} where it may not be")
        else:
            pseudo[name] = value
    if not pseudo:
        return Trailers()
    if not all(pseudo.get(name) for name in (b":method", b":scheme", b":path")):
        return Malformed("a request without :method, :scheme or :path")
    lengths = {value for name, value in regular if name == b"content-length"}
    if len(lengths) > 1 or not all(re.fullmatch(rb"[0-9]{1,18}", value) for value in lengths):
        return Malformed("a content-length that is none")
    return _request(pseudo, regular, int(lengths.pop()) if lengths else None)


def _request(pseudo: dict[bytes, bytes], regular: Fields, content_length: int | None) -> RequestHead:
    last = dict(regular)
    error = None
    timeout = None
    metadata: Mapping[str, str | bytes] = {}
    try:
        timeout = _timeout(last.get(b"grpc-timeout"))
        metadata = decode_metadata((name.decode("ascii"), value) for name, value in regular)
    except ValueError as wrong:
        error = StatusError(Code.INTERNAL, str(wrong))
    return RequestHead(
        path=pseudo[b":path"].decode("latin-1"),
        http_status=_http_status(pseudo[b":method"], last.get(b"content-type", b"")),
        timeout=timeout,
        encoding=last.get(b"grpc-encoding", b"identity").decode("latin-1"),
        content_length=content_length,
        list_bytes=sum(len(name) + len(value) + _ENTRY_BYTES for name, value in [*pseudo.items(), *regular]),
        metadata=MappingProxyType(dict(metadata)),
        error=error,
    )


def _http_status(method: bytes, content_type: bytes) -> int:
    if method != b"POST":
        return _METHOD_NOT_ALLOWED
    kind = content_type.lower()
    if kind == b"application/grpc" or kind.startswith((b"application/grpc+", b"application/grpc;")):
        return 200
    return _UNSUPPORTED_MEDIA_TYPE


def _timeout(text: bytes | None) -> float | None:
    if text is None:
        return None
    found = _TIMEOUT.fullmatch(text)
    if found is None:
        raise ValueError(f"grpc-timeout {text.decode('latin-1')[:40]!r}: expected up to eight digits and one of HMSmun")
    return int(found[1]) * _SECONDS[found[2]]
