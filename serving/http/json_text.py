"""The JSON of requests and answers: objects with NaN and Infinity, as TensorFlow Serving takes and writes them."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from serving.http.json_pieces import WINDOW, PieceReader
from serving.status import Code, StatusError, invalid

_BYTES_PER_VALUE = 8
_BYTES_PER_LIST = 256
_COUNTED_AT_ONCE = 1 << 20
_SURROGATES = (rb"\ud", rb"\uD")


def parse_object(body: bytes, *, max_bytes: int) -> dict[str, Any]:
    """Read a JSON object. `NaN`, `Infinity` and `-Infinity` are numbers; whole numbers keep all their digits.

    Args:
        body: UTF-8, from anyone.
        max_bytes: what the values may take as numbers of 8 bytes, each list and object counted as 256: a list of empty
            lists takes twenty times its text, and its garbage has to be collected while everything else waits.

    Raises:
        StatusError: it is no JSON, no object, names something twice, is nested too deeply, or has texts that are none.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    _check_counts(body, max_bytes)
    try:
        document = PieceReader(body, _DECODER).document() if len(body) > WINDOW else _DECODER.decode(_text(body))
        if any(mark in body for mark in _SURROGATES):
            for text in _ENCODER.iterencode(document):  # in pieces, as it was read
                text.encode()
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: the body is not UTF-8, at offset: {error.start}") from None
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except UnicodeEncodeError:  # JSON can spell what is in no UTF-8, and so in no answer and no message
        raise invalid("JSON Parse error: a string holds half of a surrogate pair, which is no text") from None
    except RecursionError:
        raise invalid("JSON Parse error: lists or objects are nested too deeply") from None
    except ValueError:  # a whole number of thousands of digits
        raise invalid("JSON Parse error: a number has too many digits") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {show(document)} Is not object: expected {{...}}")
    return document


def _check_counts(body: bytes, max_bytes: int) -> None:
    lists = _count(body, b"[") + _count(body, b"{")
    values = lists + _count(body, b",")
    for count, what, each in ((values, "values", _BYTES_PER_VALUE), (lists, "lists and objects", _BYTES_PER_LIST)):
        if count * each > max_bytes:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f"the request holds some {count} {what}, this server's limit is {max_bytes // each}: send fewer rows, send "
                "them over gRPC or in binary, or start the server with a larger --max_message_bytes",
            )


def _count(body: bytes, mark: bytes) -> int:
    return sum(body.count(mark, at, at + _COUNTED_AT_ONCE) for at in range(0, len(body), _COUNTED_AT_ONCE))


def _text(body: bytes) -> str:
    return body.decode("utf-8-sig")


def write(document: Any) -> bytes:
    """Return the text of a document of lists, dicts, strings, numbers and bools."""
    return json.dumps(document, ensure_ascii=False).encode()


def type_name(value: Any) -> str:
    """Return what JSON calls the type of a value."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    return next(name for types, name in _TYPE_NAMES if isinstance(value, types))


def show(value: Any) -> str:
    """Return the beginning of a value's text, for errors."""
    if isinstance(value, dict | list):
        return type_name(value)
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return f"a number of {value.bit_length()} bits"
    text = json.dumps(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:56] + " ..."


_TYPE_NAMES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (dict, "Object"),
    (list, "Array"),
    (str, "String"),
    ((int, float), "Number"),
)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise invalid(f"JSON Parse error: an object names {show(twice)} more than once")
    return found


_ENCODER = json.JSONEncoder(ensure_ascii=False)
_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
