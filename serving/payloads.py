"""The numbers of large tensors, written into serialized messages and read from them in one copy and in none.

A protobuf library copies a field of bytes into the message, from there into its serialized form, and on the other side out
of both. Here the numbers go from the array into the serialized message, and are read where they lie in it.
Source of the format: https://protobuf.dev/programming-guides/encoding/.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from serving.protos.tensor_pb2 import TensorProto
from serving.texts import take_texts
from serving.wire_format import GROUP_END, GROUP_START, LENGTH_DELIMITED, Span, UnreadableError, spans, start_of

LARGE = 1 << 12
"""Bytes of a payload below which it is not worth while to look for it."""
KEY, VALUE = 1, 2
"""Fields of an entry of a map."""
_MOST_FIELDS = 256  # of a message that is walked through in Python

_MANY = 1 << 16
"""Bytes of a message that may hold so many texts or numbers that the library takes long over them."""
TEXTS = TensorProto.STRING_VAL_FIELD_NUMBER

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Payload:
    """The numbers or texts of a tensor, apart from its message."""

    field: int
    """The number of the field of TensorProto that they belong in."""
    content: bytes | memoryview | Sequence[bytes]
    """As they stand in that field; of texts, these."""


_WIDTHS = {
    TensorProto.DESCRIPTOR.fields_by_name[name].number: width
    for name, width in (
        ("tensor_content", 1), ("float_val", 4), ("double_val", 8), ("scomplex_val", 4), ("dcomplex_val", 8),
        ("int_val", 1), ("int64_val", 1), ("uint32_val", 1), ("uint64_val", 1), ("half_val", 1), ("bool_val", 1),
    )
}  # fmt: skip
"""By field whose bytes are read as arrays: the bytes of a number, of which there are only whole ones; 1 where they vary."""


def read_tensors(kind: type[M], data: bytes, field: str) -> tuple[M, dict[str, Payload]]:
    """Parse a message, but for the large payloads of the tensors in one of its maps.

    Args:
        kind: the type of the message.
        data: its serialized form, from anyone.
        field: a map of tensors by name.

    Returns:
        The message without the payloads, and the payloads by name: views of `data`. What is written in any unusual way is in
        the message, as it would be without this function.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no such message. A payload is looked at where it is decoded, which
            refuses what the library would.
        StatusError: it has too many texts.
    """
    number = kind.DESCRIPTOR.fields_by_name[field].number
    found = find_payloads(data, number, at_least=LARGE) if len(data) >= LARGE else []
    texts: dict[str, Payload] = {}
    if not found and len(data) > _MANY:
        data, texts = _without_texts(data, number)
        found = find_payloads(data, number, at_least=LARGE) if texts else []
    if not found:
        return kind.FromString(data), texts
    return kind.FromString(_without(data, found)), {**texts, **{place.name: place.of(data) for place in found}}


def find_payloads(data: bytes, field: int, *, at_least: int) -> "list[Place]":
    """Return where the payloads of a serialized message lie.

    Args:
        data: the message, from anyone.
        field: the number of a map of tensors by name.
        at_least: bytes of a payload; smaller ones are left out.

    Returns:
        In the order of the message; empty where anything of it is written in an unusual way.
    """
    try:
        return _find(memoryview(data), field, at_least)
    except UnreadableError:
        return []


@dataclass(frozen=True)
class Place:
    """Where a payload lies in a message, and what its length is part of."""

    name: str
    """Of the tensor."""
    entry: Span
    """Of the map."""
    tensor: Span
    payload: Span

    def of(self, data: bytes) -> Payload:
        """Return the payload, a view of a message."""
        return Payload(self.payload.field, memoryview(data)[self.payload.start : self.payload.end])


def _find(data: memoryview, number: int, at_least: int) -> list[Place]:
    places, names = [], set()
    for entry in _few_spans(data, 0, len(data)):
        if entry.field != number:
            continue
        if not _is_bytes(entry):
            raise UnreadableError
        name, tensor = _entry(data, entry)
        if name in names:  # the last one counts
            raise UnreadableError
        names.add(name)
        if tensor is not None and (payload := _payload(data, tensor, at_least)) is not None:
            places.append(Place(name, entry, tensor, payload))
    return places


def _entry(data: memoryview, entry: Span) -> tuple[str, Span | None]:
    parts = _few_spans(data, entry.start, entry.end)
    if [part.field for part in parts] not in ([KEY, VALUE], [KEY]) or not all(map(_is_bytes, parts)):
        raise UnreadableError
    try:
        name = str(data[parts[0].start : parts[0].end], "utf-8")
    except UnicodeDecodeError:
        raise UnreadableError from None
    return name, parts[1] if len(parts) > 1 else None


def _payload(data: memoryview, tensor: Span, at_least: int) -> Span | None:
    """Return the one field that holds the numbers, where it is so large."""
    if tensor.end - tensor.start < at_least:
        return None
    found = [span for span in _few_spans(data, tensor.start, tensor.end) if span.field in _WIDTHS]
    if len(found) != 1 or not _is_bytes(found[0]):
        return None
    length = found[0].end - found[0].start
    return found[0] if length >= at_least and length % _WIDTHS[found[0].field] == 0 else None


def _few_spans(data: memoryview, start: int, end: int) -> list[Span]:
    found = list(itertools.islice(spans(data, start, end), _MOST_FIELDS + 1))
    if len(found) > _MOST_FIELDS or any(span.wire_type in (GROUP_START, GROUP_END) for span in found):
        raise UnreadableError
    return found


def _without_texts(data: bytes, field: int) -> tuple[bytes, dict[str, Payload]]:
    """Return a message without the texts of its tensors, and these; all of it where it is written in an unusual way."""
    try:
        rest, texts = take_texts(data, (field, VALUE, TEXTS))
        view = memoryview(rest)
        entries = [_entry(view, entry) for entry in _few_spans(view, 0, len(rest)) if entry.field == field]
    except UnreadableError:
        return data, {}
    names = [name for name, tensor in entries if tensor is not None]
    if len(set(names)) < len(entries) or len(texts) != len(names):
        return data, {}
    return rest, {name: Payload(TEXTS, each) for name, each in zip(names, texts, strict=True) if each}


def _is_bytes(span: Span) -> bool:
    return span.wire_type == LENGTH_DELIMITED


def _without(data: bytes, places: list[Place]) -> bytes:
    """Return a message without these payloads."""
    parts: list[bytes] = []
    done = 0
    for place in places:
        cut = place.payload.end - place.payload.tag
        entry, tensor, payload = place.entry, place.tensor, place.payload
        tensor_start = start_of(VALUE, tensor.end - tensor.start - cut)
        inner = data[entry.start : tensor.tag] + tensor_start
        rest = data[tensor.start : payload.tag] + data[payload.end : tensor.end]
        parts += (data[done : entry.tag], start_of(entry.field, len(inner) + len(rest)), inner, rest)
        done = entry.end
    return b"".join((*parts, data[done:]))
