"""Protobuf messages as text, as TensorFlow Serving's configuration files are written."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from serving.file_content import check_is_file
from serving.status import StatusError, invalid
from zoo.errors import did_you_mean

M = TypeVar("M", bound=Message)

_OUR_PACKAGE = "zoo_wire."  # see protos/tensor.proto
_UNKNOWN_FIELD = re.compile(r'Message type "([\w.]+)" has no field named "([^"]*)"')
_LONGEST_TEXT = 500
LARGEST = 1 << 24
"""Bytes of a file; a model that is given by mistake is not read into memory."""


def read_text_file(path: str | Path, kind: type[M], *, is_secret: bool = False) -> M:
    """Return the message that a file holds; errors quote nothing of one that is secret.

    Raises:
        StatusError: INVALID_ARGUMENT; the file cannot be read, or is not such a message. The text has TensorFlow Serving's
            phrases.
    """
    try:
        content = _content(Path(path))
    except OSError as error:
        raise invalid(f"Invalid protobuf file: '{path}': cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise invalid(f"Invalid protobuf file: '{path}': it is larger than {LARGEST} bytes")
    try:
        return parse_text(content.decode(), kind, is_secret=is_secret)
    except UnicodeDecodeError:
        raise invalid(f"Invalid protobuf file: '{path}': it is not text in UTF-8") from None
    except StatusError as error:
        raise invalid(f"Invalid protobuf file: '{path}': {error}") from None


def _content(path: Path) -> bytes:
    if not path.exists():
        raise FileNotFoundError(None, "no such file")
    check_is_file(path)
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def parse_text(text: str, kind: type[M], *, is_secret: bool = False) -> M:
    """Return the message that a text spells.

    Raises:
        StatusError: INVALID_ARGUMENT; "Error parsing text-format tensorflow.serving.ModelServerConfig: 2:5: ...".
    """
    message = kind()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise invalid(_told(error, kind.DESCRIPTOR, is_secret=is_secret)) from None
    except (
        RecursionError,
        ValueError,
    ) as error:  # ValueError: a number that does not fit, in some versions of protobuf
        reason = "a value does not fit" if is_secret else error
        raise invalid(f"Error parsing text-format {_true_name(kind.DESCRIPTOR)}: {reason}") from None
    return message


def _told(error: text_format.ParseError, kind: Any, *, is_secret: bool) -> str:
    line, column = error.GetLine(), error.GetColumn()
    where = "" if line is None else f"{line}:{column}: "
    if is_secret:
        known_fields = ", ".join(kind.fields_by_name)
        text = f"this cannot be read (it is not shown: it may be a secret). Fields: {known_fields}"
        return f"Error parsing text-format {_true_name(kind)}: {where}{text}"
    text = str(error)
    if line is not None:
        text = text.split(" : ", 1)[-1]
    text = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ..."  # it quotes the line, of any length
    found = _UNKNOWN_FIELD.search(text)
    if found and found[1] in (known := _messages_below(kind)):
        text += f" {did_you_mean(found[2], known[found[1]].fields_by_name)}"
    return f"Error parsing text-format {_true_name(kind)}: {where}{text}".replace(_OUR_PACKAGE, "")


def _true_name(kind: Any) -> str:
    return str(kind.full_name).removeprefix(_OUR_PACKAGE)


def _messages_below(kind: Any) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    waiting = [kind]
    while waiting:
        each = waiting.pop()
        if each.full_name not in found:
            found[each.full_name] = each
            waiting += [field.message_type for field in each.fields if field.message_type is not None]
    return found
