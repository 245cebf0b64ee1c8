"""Large JSON read in pieces: what reads a document in one go holds every other thread up for as long as that takes.

The standard library's scanner reads a window of the text at a time. Only what is longer than a window, a list of a million
rows, is put together here, from what the scanner says of its parts.
"""

import json
import re
from typing import Any, NoReturn

WINDOW = 1 << 16
"""Bytes: a fraction of a millisecond to a few of them."""
_ALONE = 1024  # elements that are read one by one after several could not be had at once: trying costs as much as these
_LONGEST_ESCAPE = 16  # characters, and some
_LONGEST_TOKEN = 1 << 14  # characters of a number
_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r"[^,\]}\s]*")
_PLAIN = re.compile(r'[^\[\]{}"]*')
_CLOSING = {"[": "]", "{": "}", '"': '"'}


class PieceReader:
    """Reads one document. For one thread, and one use."""

    def __init__(self, body: bytes, decoder: json.JSONDecoder, window: int = WINDOW) -> None:
        """Prepare.

        Args:
            body: UTF-8, from anyone.
            decoder: reads the parts, and says what becomes of objects.
            window: how much is read at once.
        """
        self._body, self._decoder, self._window = body, decoder, window
        self._text, self._at = "", 0
        """What of the document is in sight, and how much of that is done with."""
        self._before = 0
        """Characters that stood before it."""
        self._read = len(b"\xef\xbb\xbf") if body.startswith(b"\xef\xbb\xbf") else 0

    def document(self) -> Any:
        """Return the whole. Raises what JSONDecoder.decode raises, and UnicodeDecodeError."""
        found = self._value()
        if self._peek():
            self._fail("Extra data")
        return found

    def _value(self) -> Any:
        first = self._peek()
        if first == "[":
            return self._list()
        if first == "{":
            return self._object()
        return self._scalar(first)

    def _list(self) -> list[Any]:
        self._at += 1
        items: list[Any] = []
        following, alone = self._peek(), 0
        while following != "]" or items:
            if not alone and (some := self._some(following)):
                items += some
            else:
                items.append(self._one(following))
                alone = alone - 1 if alone else _ALONE
            following = self._peek()
            if following == "]":
                break
            self._pass(",", following)
            following = self._peek()
        self._at += 1
        return items

    def _some(self, first: str) -> list[Any] | None:
        """Read as many elements as can be had at once: up to the list's end, or to what may be the end of one of them."""
        self._look_ahead()
        if first in _CLOSING:
            end = self._text.rfind(f"{_CLOSING[first]},", self._at) + 1
        else:  # numbers and literals
            found = _PLAIN.match(self._text, self._at)
            end = found.end() if found else self._at
            if self._text[end : end + 1] != "]":
                end = self._text.rfind(",", self._at, end)
        return self._at_once("[", end, "]")

    def _at_once(self, opening: str, end: int, closing: str) -> Any:
        """Read what stands from here to a comma or an end. None where that is not whole elements, which JSON then is not."""
        if end <= self._at:
            return None
        try:
            found = self._decoder.decode(f"{opening}{self._text[self._at : end]}{closing}")
        except json.JSONDecodeError:
            return None
        if found:
            self._at = end
        return found

    def _one(self, first: str) -> Any:
        return self._element(first) if first in _CLOSING else self._scalar(first)

    def _pass(self, wanted: str, following: str) -> None:
        if following != wanted:
            self._fail(f"Expecting '{wanted}' delimiter")
        self._at += 1

    def _element(self, first: str) -> Any:
        """Read a value by the scanner, where it is in sight; else its parts."""
        for _ in range(2):
            try:
                found, self._at = self._decoder.scan_once(self._text, self._at)  # type: ignore[attr-defined]
            except (json.JSONDecodeError, StopIteration):
                if not self._look_ahead():
                    break
            else:
                return found
        return self._scalar(first) if first == '"' else self._value()

    def _object(self) -> Any:
        self._at += 1
        pairs: list[tuple[str, Any]] = []
        following, alone = self._peek(), 0
        while following != "}" or pairs:
            if following != '"':
                self._fail("Expecting property name enclosed in double quotes")
            if not alone and (some := self._some_pairs()):
                pairs += some.items()
            else:
                name = self._scalar(following)
                self._pass(":", self._peek())
                pairs.append((name, self._one(self._peek())))
                alone = alone - 1 if alone else _ALONE
            following = self._peek()
            if following == "}":
                break
            self._pass(",", following)
            following = self._peek()
        self._at += 1
        hook = self._decoder.object_pairs_hook
        return dict(pairs) if hook is None else hook(pairs)

    def _some_pairs(self) -> dict[str, Any] | None:
        """Read as many names and values as can be had at once."""
        self._look_ahead()
        end = max(self._text.rfind(mark, self._at + 1) for mark in (',"', ', "'))
        return self._at_once("{", end, "}")

    def _scalar(self, first: str) -> Any:
        if first != '"':
            self._see_token()
        while True:
            try:
                found, self._at = self._decoder.scan_once(self._text, self._at)  # type: ignore[attr-defined]
            except StopIteration:
                self._fail("Expecting value")
            except json.JSONDecodeError as error:
                is_cut = "Unterminated" in error.msg or error.pos > len(self._text) - _LONGEST_ESCAPE
                if not is_cut or not self._grow():
                    self._fail(error.msg, error.pos)
            else:
                return found

    def _see_token(self) -> None:
        """Have the whole of a number or a literal in sight: the first half of one may be one too."""
        while True:
            found = _TOKEN.match(self._text, self._at)
            end = found.end() if found else self._at
            length = end - self._at
            if end < len(self._text) or not self._grow():
                return
            if length > _LONGEST_TOKEN:
                raise ValueError("a number of very many digits")

    def _peek(self) -> str:
        """Return the next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._slide(self._window):
                return ""

    def _look_ahead(self) -> bool:
        """Have a whole window in sight. Returns whether there is more in sight than before."""
        return len(self._text) - self._at < self._window and self._slide(self._window)

    def _grow(self) -> bool:
        """Have twice as much in sight. Returns whether there is more."""
        return self._slide(max(self._window, len(self._text) - self._at))

    def _slide(self, more: int) -> bool:
        """Drop what is done with, and take so many bytes more into sight. Returns whether there are any."""
        if self._read >= len(self._body):
            return False
        end = min(self._read + more, len(self._body))
        for _ in range(3):  # not within a character
            end += end < len(self._body) and self._body[end] & 0xC0 == 0x80
        try:
            text = self._body[self._read : end].decode()
        except UnicodeDecodeError as error:
            at = self._read + error.start
            raise UnicodeDecodeError("utf-8", self._body, at, at + 1, error.reason) from None
        self._before += self._at
        self._text, self._at, self._read = self._text[self._at :] + text, 0, end
        return True

    def _fail(self, message: str, at: int | None = None) -> NoReturn:
        error = json.JSONDecodeError(message, "", 0)
        error.pos = self._before + (self._at if at is None else at)
        raise error
