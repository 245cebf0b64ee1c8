"""Markdown that text from elsewhere cannot break out of."""

import re
from collections.abc import Iterable, Sequence

_LONGEST = 1000
"""A citation may have a few hundred characters."""


def plain(text: object) -> str:
    """Return text on one line, with what Markdown, tables and HTML take for their own written as itself."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$&])", r"\\\1", _line(text))


def code(text: object) -> str:
    """Return text as code, which has no backticks, on one line."""
    return "`" + (_line(text).replace("`", "'").replace("|", "/") or " ") + "`"


def _line(text: object) -> str:
    """Return at most 1000 characters of text on one line, without what is not seen, such as what turns its direction."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 4] + " ..."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
