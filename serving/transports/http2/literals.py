"""Header fields as HPACK literals that no table remembers: they mean the same at any time of any connection."""

from collections.abc import Iterable
from functools import lru_cache

STATUS_200 = b"\x88"
"""`:status: 200`, from the static table."""
_LAST_SHORT = 127


def field(name: str, value: str) -> bytes:
    """Return a field; name and value are ASCII."""
    encoded = value.encode("latin-1")
    size = len(encoded)
    if size < _LAST_SHORT:
        return b"%b%c%b" % (_name(name), size, encoded)
    return _name(name) + _long(size) + encoded


def fields(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return several fields."""
    return b"".join([field(name, value) for name, value in pairs])


def find(block: bytes, name: str) -> str | None:
    """Return the value that `field` wrote into a block under a name; None where there is none."""
    start = block.find(_name(name))
    if start < 0:
        return None
    at = start + len(_name(name))
    size = block[at]
    at += 1
    if size == _LAST_SHORT:
        shift = 0
        while True:
            size += (block[at] & 127) << shift
            shift += 7
            at += 1
            if block[at - 1] < 128:
                break
    return block[at : at + size].decode("latin-1")


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    encoded = name.encode("ascii")
    return b"\x00" + (bytes([len(encoded)]) if len(encoded) < _LAST_SHORT else _long(len(encoded))) + encoded


def _long(size: int) -> bytes:
    """Return a length over the seven bits of its first byte (RFC 7541, section 5.1)."""
    rest = size - _LAST_SHORT
    parts = [_LAST_SHORT]
    while rest >= 128:
        parts.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*parts, rest])
