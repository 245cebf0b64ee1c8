from html.parser import HTMLParser

import pytest

from training.report.markup import Markup, join, table, tag

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></table><iframe src=//evil>",
    "a & b &lt;",
    "' onmouseover='x",
    "\x00\x1b[31m",
]


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    return reader


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_stays_text(attack: str) -> None:
    found = read(tag("p", attack, title=attack))
    assert found.tags == ["p"]
    shown = attack.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert found.text == shown
    assert [name for name, _ in found.attributes] == ["title"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_cells_stay_cells(attack: str) -> None:
    assert read(table([attack], [[attack], [attack]])).tags == [
        "table",
        "thead",
        "tr",
        "th",
        "tbody",
        "tr",
        "td",
        "tr",
        "td",
    ]


def test_markup_is_kept_as_it_is() -> None:
    assert join(tag("b", "x"), " < ", Markup("<br>")) == "<b>x</b> &lt; <br>"
    assert tag("img", src="data:,", alt="a") == '<img src="data:," alt="a">'
