"""Markdown that text from elsewhere cannot break out of."""

import re
from collections.abc import Iterable, Sequence


def plain(text: object) -> str:
    """Return text on one line, with what Markdown, tables and HTML take for their own written as itself."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", line)


def code(text: object) -> str:
    """Return text as code, which has no backticks, on one line."""
    return "`" + " ".join(str(text).replace("`", "'").split()).replace("|", "/") + "`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
