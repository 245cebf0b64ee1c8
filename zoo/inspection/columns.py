"""Rows as aligned text, for a terminal of any width and for a pipe."""

import textwrap
from collections.abc import Iterable, Sequence

GAP = "  "
LEAST = 24
"""Narrower than this, the last column goes under its row rather than beside it."""


def lay_out(
    rows: Sequence[Sequence[str]], *, width: int | None = None, right: Iterable[int] = (), indent: str = ""
) -> list[str]:
    """Return lines in which the columns of the rows are aligned.

    Args:
        rows: of as many cells each. Columns that are empty in every row are left out.
        width: of the terminal; the last column is wrapped to it. None where there is none: a row is a line then.
        right: the columns that are aligned to the right, by number.
        indent: before every line.
    """
    if not rows:
        return []
    used = [number for number in range(len(rows[0])) if any(row[number] for row in rows)]
    flush = {used.index(number) for number in right if number in used}
    cells = [[row[number] for number in used] for row in rows]
    *firsts, _ = [max(len(row[number]) for row in cells) for number in range(len(used))]
    start = len(indent) + sum(firsts) + len(GAP) * len(firsts)
    lines: list[str] = []
    for *first, last in cells:
        aligned = [
            text.rjust(size) if number in flush else text.ljust(size)
            for number, (text, size) in enumerate(zip(first, firsts, strict=True))
        ]
        head = indent + "".join(text + GAP for text in aligned)
        if width is None or len(head) + len(last) <= width:
            lines.append(head + last)
        elif width - start >= LEAST:
            first_part, *others = _wrapped(last, width - start)
            lines += [head + first_part, *(" " * start + part for part in others)]
        else:
            under = indent + GAP * 2
            lines += [head, *(under + part for part in _wrapped(last, max(width - len(under), LEAST)))]
    return [line.rstrip() for line in lines]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
