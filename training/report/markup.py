"""HTML that cannot be broken into: text is escaped unless it was made here."""

from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


_VOID = {"img", "br", "hr", "meta"}


def tag(name: str, /, *children: str, **attributes: str) -> Markup:
    """Return an element. Children are escaped unless they are Markup; `class_` is the attribute `class`."""
    given = "".join(f' {key.rstrip("_")}="{escape(value, quote=True)}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Return children one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else escape(visible(child)) for child in children))


def table(head: list[str], rows: list[list[str]], *, numbers_from: int = 1, class_: str = "data") -> Markup:
    """Return a table; columns from `numbers_from` on are set to the right."""

    def cells(kind: str, row: list[str]) -> Markup:
        return tag("tr", *(tag(kind, cell, class_="n" if i >= numbers_from else "t") for i, cell in enumerate(row)))

    top = [tag("thead", cells("th", head))] if head else []
    return tag("table", *top, tag("tbody", *(cells("td", row) for row in rows)), class_=class_)


def visible(text: str) -> str:
    """Return text without the control characters that HTML forbids."""
    return "".join(
        c if c in "\n\t" or (ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0) else "\N{REPLACEMENT CHARACTER}" for c in text
    )
