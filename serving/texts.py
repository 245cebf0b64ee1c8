"""Fields that hold very many texts, taken out of serialized messages a few at a time.

A protobuf library parses a message in one go, and hands the texts of a field out in another: some 100 ms a million, in which
no other thread of the process runs. Here others have their turn in between.
"""

from collections.abc import Sequence

import numpy as np

from serving.status import StatusError, invalid
from serving.wire_format import GROUP_END, GROUP_START, LENGTH_DELIMITED, Span, UnreadableError, spans, start_of

MOST = 1 << 22
"""Texts of a field."""
_AT_ONCE = 1 << 15
_MOST_OTHERS = 1 << 15
"""Fields that are no such texts; each is looked at in Python."""


def take_texts(message: bytes, path: Sequence[int]) -> tuple[bytes, list[list[bytes]]]:
    """Take the texts of a field out of a serialized message.

    Args:
        message: it, from anyone.
        path: the numbers of the field and of the messages that it is in, the outermost first; none over 15.

    Returns:
        The message without the texts, and these: a list for each message that may hold the field, in the order of the bytes.

    Raises:
        UnreadableError: the bytes are no message, or written as no library writes them.
        StatusError: there are more than `MOST` for one message.
    """
    taker = _Taker(message)
    return taker.take(0, len(message), path), taker.found


def as_array(texts: Sequence[bytes]) -> np.ndarray:
    """Return texts as an array of objects, filled a few at a time."""
    array = np.empty(len(texts), dtype=object)
    for at in range(0, len(texts), _AT_ONCE):
        array[at : at + _AT_ONCE] = texts[at : at + _AT_ONCE]
    return array


def size_of(texts: Sequence[bytes]) -> int:
    """Return the bytes of all texts, counted a few at a time."""
    return sum(sum(map(len, texts[at : at + _AT_ONCE])) for at in range(0, len(texts), _AT_ONCE))


def take_run(data: bytes, at: int, end: int, tag: int, texts: list[bytes]) -> int:
    """Append the texts of a repeated field that stand one after the other.

    Args:
        data: what holds the message, from anyone.
        at: where the tag of the first one is.
        end: where the message ends.
        tag: of the field, one byte.
        texts: where they go.

    Returns:
        Where something else stands, or the end.

    Raises:
        UnreadableError: the message ends within a text.
        StatusError: there are more than `MOST`.
    """
    append, stop, room = texts.append, at, MOST - len(texts)
    try:
        while stop < end and data[stop] == tag:
            start, size = stop + 2, data[stop + 1]
            if size > 0x7F:
                span = next(spans(memoryview(data), stop, end))
                start, size = span.start, span.end - span.start
            stop = start + size
            append(data[start:stop])
            room -= 1
            if room < 0:
                raise too_many()
    except IndexError:
        raise UnreadableError from None
    if stop > end:
        raise UnreadableError
    return stop


def too_many() -> StatusError:
    """Return the error for a request of too many texts."""
    return invalid(
        f"a field of the request has more than {MOST} texts, this server takes {MOST} at most: send fewer at a time"
    )


class _Taker:
    """Walks through one message."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._view = memoryview(message)
        self._left = _MOST_OTHERS
        self.found: list[list[bytes]] = []

    def take(self, start: int, end: int, path: Sequence[int]) -> bytes:
        """Return what lies there without the texts."""
        field, inside = path[0], path[1:]
        tag, at = field << 3 | LENGTH_DELIMITED, start
        parts = []
        if not inside:
            self.found.append([])
        while at < end:
            if not inside and self._message[at] == tag:
                at = take_run(self._message, at, end, tag, self.found[-1])
                continue
            span = self._next(at, end)
            if inside and span.field == field and span.wire_type == LENGTH_DELIMITED:
                rest = self.take(span.start, span.end, inside)
                parts.append(start_of(field, len(rest)) + rest)
            else:
                parts.append(self._message[span.tag : span.end])
            at = span.end
        return b"".join(parts)

    def _next(self, at: int, end: int) -> Span:
        span = next(spans(self._view, at, end))
        self._left -= 1
        if not self._left or span.wire_type in (GROUP_START, GROUP_END):
            raise UnreadableError
        return span
