from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from training.sources.collection import Collection, DataFile, Source, SourceError
from training.sources.folder import FolderSource
from training.sources.pip import PipSource

LINES = b"one\ntwo\nthree\n"
PIP = PipSource("lines==1.0", {"lines.txt": "lines/lines.txt"})
MakeCollection = Callable[[Sequence[Source]], Collection]


def provide(given: Path, collection: Collection, file: DataFile, into: Path) -> bytes:
    into.mkdir()
    FolderSource(given, collection).provide([file], into, lambda _: None)
    return (into / file.name).read_bytes()


def test_the_file_itself(tmp_path: Path, make_collection: MakeCollection, lines_file: DataFile) -> None:
    (tmp_path / "lines.txt").write_bytes(LINES)
    assert provide(tmp_path, make_collection([PIP]), lines_file, tmp_path / "come") == LINES


def test_the_package_that_holds_it(
    tmp_path: Path, make_collection: MakeCollection, lines_file: DataFile, make_wheel: Callable[[Path], Path]
) -> None:
    make_wheel(tmp_path)
    assert provide(tmp_path, make_collection([PIP]), lines_file, tmp_path / "come") == LINES


def test_what_was_looked_for_is_told(tmp_path: Path, make_collection: MakeCollection, lines_file: DataFile) -> None:
    with pytest.raises(SourceError, match=r"it holds no lines\.txt or lines-1\.0-\*\.whl"):
        provide(tmp_path, make_collection([PIP]), lines_file, tmp_path / "come")


def test_a_folder_that_is_not_there(tmp_path: Path, make_collection: MakeCollection, lines_file: DataFile) -> None:
    with pytest.raises(SourceError, match="there is no such folder"):
        provide(tmp_path / "absent", make_collection([PIP]), lines_file, tmp_path / "come")
