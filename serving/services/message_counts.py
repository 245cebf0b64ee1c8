"""How often a message names something, counted before it is parsed: 300,000 inputs are a second's work to refuse.

Source of the format: https://protobuf.dev/programming-guides/encoding/.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from google.protobuf.message import Message

from serving.status import invalid

MOST = 4096
"""Of whatever a request may name several of: inputs, outputs, parameters."""
_MOST_FIELDS = 4 * MOST
"""Of a message, known or not: each is looked at in Python, and a compressed megabyte can hold half a billion."""
_LENGTH_DELIMITED = 2
_FIXED = {1: 8, 5: 4}  # bytes, by wire type


def check_counts(kind: type[Message], message: bytes, fields: Sequence[str], most: int = MOST) -> None:
    """Refuse a message that has too many of something, or too many fields of any kind.

    Args:
        kind: the type of the message.
        message: its serialized form, from anyone; what cannot be read is left to the library.
        fields: repeated fields or maps of messages, texts or bytes.
        most: entries of each.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    if len(message) < 2 * most:  # an entry takes two bytes at least
        return
    names = {kind.DESCRIPTOR.fields_by_name[name].number: name for name in fields}
    counts: Counter[int] = Counter()
    for looked_at, number in enumerate(_numbers(memoryview(message)), start=1):
        if looked_at > _MOST_FIELDS:
            raise invalid(f"the request has more than {_MOST_FIELDS} fields, this server takes {_MOST_FIELDS} at most")
        counts[number] += 1
        if counts[number] > most and number in names:
            name = names[number]
            raise invalid(f"the request has more than {most} {name}, this server takes {most} at most", field=name)


def _numbers(data: memoryview) -> Iterator[int]:
    """Yield the number of each field up to the first that cannot be read."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _LENGTH_DELIMITED:
            length, at = _varint(data, at)
            at += length
        elif wire == 0:
            _, at = _varint(data, at)
        elif wire in _FIXED:
            at += _FIXED[wire]
        else:
            return
        yield tag >> 3


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            break
    return 0, len(data)
