"""How often a message names something, counted before it is parsed: 300,000 inputs are a second's work to refuse."""

import contextlib
from collections import Counter
from collections.abc import Sequence

from google.protobuf.message import Message

from serving.status import StatusError, invalid
from serving.wire_format import UnreadableError, spans

MOST = 4096
"""Of whatever a request may name several of: inputs, outputs, parameters."""
_MOST_FIELDS = 4 * MOST
"""Of a request, known or not: each is looked at in Python, and a compressed megabyte can hold half a billion."""


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
    counts: Counter[str] = Counter()
    with contextlib.suppress(UnreadableError):
        for total, span in enumerate(spans(memoryview(message), 0, len(message))):
            name = names.get(span.field)
            if name is not None:
                counts[name] += 1
                if counts[name] > most:
                    raise _too_many(name, most, field=name)
            if total >= _MOST_FIELDS:
                raise _too_many("fields", _MOST_FIELDS)


def _too_many(what: str, most: int, *, field: str | None = None) -> StatusError:
    return invalid(f"the request has more than {most} {what}, this server takes {most} at most", field=field)
