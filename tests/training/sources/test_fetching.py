from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from training.sources.collection import Collection, DataFile, MissingClientError, Source, SourceError, Watch
from training.sources.fetching import fetch
from training.sources.files import data_files
from zoo.errors import DataError

LINES = b"one\ntwo\nthree\n"
MakeCollection = Callable[[Sequence[Source]], Collection]


@dataclass
class FakeSource:
    """Gives this content, or raises this error, and counts how often it was asked."""

    title: str = "fake: lines"
    content: bytes = LINES
    error: BaseException | None = None
    names: Sequence[str] = ("lines.txt",)
    asked: list[str] = field(default_factory=list)

    def provide(self, files: Sequence[DataFile], folder: Path, watch: Watch) -> None:
        for file in files:
            self.asked.append(file.name)
            (folder / file.name).write_bytes(self.content[:5])  # a part, first
            if self.error is not None:
                raise self.error
            (folder / file.name).write_bytes(self.content)


def test_the_first_source_that_delivers_is_the_last_that_is_asked(
    make_collection: MakeCollection, data_folder: Path
) -> None:
    first, second, third = FakeSource("a: x", error=SourceError("no network")), FakeSource("b: x"), FakeSource("c: x")
    report = fetch(make_collection([first, second, third]))
    assert (data_folder / "lines" / "lines.txt").read_bytes() == LINES
    assert [len(source.asked) for source in (first, second, third)] == [1, 1, 0]
    assert report.failed == ("a: x: no network",)
    assert [(file.path, file.source) for file in report.fetched] == [(data_folder / "lines" / "lines.txt", "b: x")]


def test_what_every_source_said_is_told_and_which_programs_are_missing(make_collection: MakeCollection) -> None:
    sources = [
        FakeSource("pip: x", error=MissingClientError("pip", "python -m ensurepip")),
        FakeSource("npm: x", error=SourceError("404 Not Found")),
    ]
    with pytest.raises(DataError) as raised:
        fetch(make_collection(sources))
    assert str(raised.value).splitlines() == [
        "could not fetch lines.txt of the data set 'lines':",
        "  pip: x: pip is missing: python -m ensurepip",
        "  npm: x: 404 Not Found",
        "  missing here: pip",
        "  or fetch one of these on another machine and name its folder: zoo data fetch lines --from FOLDER",
    ]


@pytest.mark.parametrize("content", [b"", LINES[:-1], LINES + b"four\n", LINES.upper()])
def test_a_source_with_other_bytes_is_refused_and_the_next_one_asked(
    make_collection: MakeCollection, data_folder: Path, content: bytes
) -> None:
    report = fetch(make_collection([FakeSource("a: x", content=content), FakeSource("b: x")]))
    assert report.failed[0].startswith("a: x: its lines.txt is ")
    assert (data_folder / "lines" / "lines.txt").read_bytes() == LINES


def test_what_is_whole_is_not_fetched_again(make_collection: MakeCollection) -> None:
    source = FakeSource()
    fetch(make_collection([source]))
    assert fetch(make_collection([source])).fetched == ()
    assert len(source.asked) == 1


@pytest.mark.parametrize(("content", "fault"), [(LINES[:3], "is truncated: 3 of 14 bytes"), (b"X" * 14, "is corrupt")])
def test_a_damaged_file_is_replaced(
    make_collection: MakeCollection, data_folder: Path, content: bytes, fault: str
) -> None:
    path = data_folder / "lines" / "lines.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (fetched,) = fetch(make_collection([FakeSource()])).fetched
    assert fetched.mended.startswith(fault)
    assert path.read_bytes() == LINES


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SourceError("gone"), OSError("disk full")])
def test_nothing_half_is_kept(make_collection: MakeCollection, data_folder: Path, error: BaseException) -> None:
    with pytest.raises((type(error), DataError)):
        fetch(make_collection([FakeSource(error=error)]))
    assert list(data_folder.rglob("*")) == []


def test_an_interrupted_fetch_goes_on_with_the_files_that_are_missing(lines_file: DataFile, data_folder: Path) -> None:
    other = DataFile("other.txt", lines_file.sha256, lines_file.size)

    def collection(second: FakeSource, first: FakeSource) -> Collection:
        return Collection(
            name="two", title="", licence="", attribution="", files=(lines_file, other), sources=(first, second)
        )

    first = FakeSource("a: x")
    with pytest.raises(KeyboardInterrupt):
        fetch(collection(FakeSource("b: x", names=("other.txt",), error=KeyboardInterrupt()), first))
    report = fetch(collection(FakeSource("b: x", names=("other.txt",)), first))
    assert [file.path.name for file in report.fetched] == ["other.txt"]
    assert len(first.asked) == 1


def test_a_folder_is_the_only_source_where_one_is_named(
    make_collection: MakeCollection, data_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "lines.txt").write_bytes(LINES)
    source = FakeSource()
    fetch(make_collection([source]), folder=tmp_path)
    assert (data_folder / "lines" / "lines.txt").read_bytes() == LINES
    assert source.asked == []


def test_a_data_folder_that_cannot_be_is_named(
    make_collection: MakeCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_ZOO_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(DataError, match=r"cannot keep data in .*/file/data: .*; set KERAS_ZOO_DATA to another folder"):
        fetch(make_collection([FakeSource()]))


def test_a_builder_gets_files_that_are_not_there(make_collection: MakeCollection, data_folder: Path) -> None:
    assert data_files(make_collection([FakeSource()])) == {"lines.txt": data_folder / "lines" / "lines.txt"}


def test_a_builder_never_reads_a_damaged_file(make_collection: MakeCollection, data_folder: Path) -> None:
    path = data_folder / "lines" / "lines.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(LINES[:3])
    with pytest.raises(DataError, match=r"lines\.txt is truncated: 3 of 14 bytes; `zoo data fetch lines` mends it"):
        data_files(make_collection([FakeSource()]))
