"""The whole report: what is in it, that it needs nothing else, and that nothing breaks out of it."""

import base64
import io
import json
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from training import Dataset, Run
from training.report import try_to_report, write_report
from zoo.errors import ConfigError

MakeRun = Callable[[str], tuple[Run, Dataset]]
ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "h3",
        "h4",
        "div",
        "p",
        "b",
        "span",
        "img",
        "table",
    ),
    *("thead", "tbody", "tr", "th", "td", "pre", "footer"),
}
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Reads a page, and refuses one whose elements are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def pictures(self) -> list[Image.Image]:
        sources = [value for tag, name, value in self.attributes if (tag, name) == ("img", "src")]
        return [Image.open(io.BytesIO(base64.b64decode(s.removeprefix("data:image/png;base64,")))) for s in sources]


def check_picture(picture: Image.Image) -> None:
    grey = picture.convert("L")
    assert min(grey.size) > 100
    ink, paper = grey.getextrema()
    assert ink < 100
    assert paper > 250


KINDS = ["classes", "binary", "labels", "values", "images", "waves", "text", "tokens", "heads"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_of_every_kind_stands_alone_and_is_whole(kind: str, make_run: MakeRun) -> None:
    run, data = make_run(kind)
    report = write_report(run, data=data)
    assert report.notes == ()
    page = Page(report.page.read_text(encoding="utf-8"))
    assert page.tags <= ALLOWED, "no script, no link, no frame"
    for tag, name, value in page.attributes:
        assert name in {"class", "src", "alt", "style", "lang", "charset", "name", "content"}, (
            "no handlers, no addresses"
        )
        assert name != "src" or value.startswith("data:image/png;base64,"), tag
    style = re.findall(r"url\(|@import|https?:", next(t for t in page.text if "font-size" in t))
    assert style == []
    assert len(page.pictures()) >= 2
    for picture in page.pictures():
        check_picture(picture)
    overview = Image.open(report.picture)
    assert overview.size == (1625, 988)
    check_picture(overview)


def test_it_says_what_the_run_was(make_run: MakeRun) -> None:
    run, data = make_run("classes")
    text = " ".join(Page(write_report(run, data=data).page.read_text(encoding="utf-8")).text)
    for expected in (
        run.config.to_yaml(),
        data.fingerprint,
        "CC BY 4.0",
        "train 24, validation 18, test 15",
        "<script>alert(1)</script>",
        "Validation split",
        "Test split",
        "Worst rows",
        f"{run.metrics['test']['loss']:.4f}",
        "dense_1/kernel".rpartition("/")[0],
    ):
        assert expected in text


def test_several_heads_have_a_section_each(make_run: MakeRun) -> None:
    run, data = make_run("heads")
    text = Page(write_report(run, data=data).page.read_text(encoding="utf-8")).text
    assert "Head kind" in text
    assert "Head age" in text


def test_without_its_data_a_run_still_has_curves(make_run: MakeRun) -> None:
    run, _ = make_run("classes")
    report = write_report(run)
    assert len(report.notes) == 1
    assert "unknown data set 'classes'" in report.notes[0]
    text = Page(report.page.read_text(encoding="utf-8")).text
    assert "Learning" in text
    assert "Predictions" not in text


def test_without_its_weights_a_run_still_has_curves_and_that_is_said(make_run: MakeRun, tmp_path: Path) -> None:
    run, data = make_run("classes")
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    (folder / "best.weights.h5").unlink()
    report = write_report(folder, data=data)
    [note] = report.notes
    assert note.startswith(f"There are no predictions in this report: {folder} has no best.weights.h5")
    text = Page(report.page.read_text(encoding="utf-8")).text
    assert "Learning" in text
    assert note in text


def test_a_run_that_ended_before_its_first_epoch_has_nothing_to_report(make_run: MakeRun, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(make_run("classes")[0].folder / "config.yaml", folder)
    with pytest.raises(ConfigError, match=r"no finished epoch and no best.weights.h5 \(unfinished\): .* --resume"):
        write_report(folder)
    assert [item.name for item in folder.iterdir()] == ["config.yaml"]


def test_warnings_are_in_the_report(make_run: MakeRun) -> None:
    run, data = make_run("values")
    text = Page(write_report(replace(run, warnings=("gradients vanish <here>",)), data=data).page.read_text()).text
    assert "gradients vanish <here>" in text


@pytest.mark.parametrize("epochs", [0, 1, 100])
def test_any_number_of_epochs_and_values_that_are_no_numbers_can_be_shown(
    epochs: int, make_run: MakeRun, tmp_path: Path
) -> None:
    run, data = make_run("classes")
    folder = tmp_path / "20260101T120000Z-1a2b3c4d"
    shutil.copytree(run.folder, folder)
    [record] = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()][:1]
    bad = {"train": {"loss": None, "accuracy": 0.5}, "validation": {"loss": None, "accuracy": None}}
    records = [{**record, "epoch": i, "metrics": bad if i % 2 else record["metrics"]} for i in range(1, epochs + 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    report = write_report(folder, data=data)
    page = Page(report.page.read_text(encoding="utf-8"))
    assert any("01 January 2026, 12:00 UTC" in text for text in page.text)
    check_picture(Image.open(report.picture))


def test_a_report_that_fails_is_a_warning(make_run: MakeRun, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    run, data = make_run("classes")
    with caplog.at_level(logging.WARNING):
        assert try_to_report(replace(run, folder=tmp_path / "gone"), data) is None
    assert "the report could not be written" in caplog.text
