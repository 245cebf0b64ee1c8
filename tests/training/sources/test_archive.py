import gzip
import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from training.sources.archive import read_member
from training.sources.collection import SourceError

DPKG = shutil.which("dpkg-deb")
MakeTar = Callable[[dict[str, bytes]], bytes]


def ar(members: dict[str, bytes]) -> bytes:
    """Return an archive as the manual of `ar` has it: 60 bytes before each member, which starts at an even place."""
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
        parts.append(content + b"\n" * (len(content) % 2))
    return b"".join(parts)


def test_a_member_of_a_wheel(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("a/data.csv", b"1,2")
    assert read_member(tmp_path / "a.whl", "a/data.csv") == b"1,2"


def test_a_member_of_an_archive_in_an_archive(tmp_path: Path, make_tar: MakeTar) -> None:
    (tmp_path / "a.tar.gz").write_bytes(make_tar({"a/inner.tar.gz": make_tar({"b/data.txt": b"deep"})}))
    assert read_member(tmp_path / "a.tar.gz", "a/inner.tar.gz!b/data.txt") == b"deep"


def test_a_gzipped_member_is_unpacked_where_asked(tmp_path: Path, make_tar: MakeTar) -> None:
    packed = gzip.compress(b"1,2")
    (tmp_path / "a.tgz").write_bytes(make_tar({"data.gz": packed}))
    assert read_member(tmp_path / "a.tgz", "data.gz") == packed
    assert read_member(tmp_path / "a.tgz", "data.gz", unpacked=True) == b"1,2"


def test_a_member_of_a_debian_package(tmp_path: Path, make_tar: MakeTar) -> None:
    files = make_tar({"./usr/share/odd": b"123", "./usr/share/data": b"4567"})
    (tmp_path / "a.deb").write_bytes(ar({"debian-binary": b"2.0\n", "control.tar.gz": b"odd", "data.tar.gz": files}))
    assert read_member(tmp_path / "a.deb", "usr/share/data") == b"4567"


@pytest.mark.skipif(DPKG is None, reason="dpkg-deb is not here")
@pytest.mark.parametrize("compression", ["xz", "zstd"])
def test_a_member_of_what_dpkg_builds(tmp_path: Path, compression: str) -> None:
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        "Package: lines\nVersion: 1\nArchitecture: all\nMaintainer: A Test <a@test>\nDescription: lines\n"
    )
    (root / "lines.txt").write_bytes(b"one\n")
    (tmp_path / "DEBIAN").mkdir()
    package = tmp_path / "lines_1_all.deb"
    subprocess.run(
        [str(DPKG), f"-Z{compression}", "--root-owner-group", "--build", root, package],
        check=True,
        capture_output=True,
    )
    assert read_member(package, "lines.txt") == b"one\n"


def test_what_is_gathered_is_the_same_bytes_whatever_the_order(tmp_path: Path, make_tar: MakeTar) -> None:
    (tmp_path / "a.tgz").write_bytes(make_tar({"s/en/b.wav": b"B", "s/en/a.wav": b"A", "s/readme": b"-"}))
    (tmp_path / "b.tgz").write_bytes(make_tar({"s/en/a.wav": b"A", "s/en/b.wav": b"B"}))
    gathered = read_member(tmp_path / "a.tgz", "s/*.wav")
    assert gathered == read_member(tmp_path / "b.tgz", "s/*.wav")
    with tarfile.open(fileobj=io.BytesIO(gathered)) as archive:
        assert archive.getnames() == ["s/en/a.wav", "s/en/b.wav"]
        content = archive.extractfile("s/en/b.wav")
        assert content is not None
        assert content.read() == b"B"


def test_a_member_that_is_not_there_is_named(tmp_path: Path, make_tar: MakeTar) -> None:
    (tmp_path / "a.tgz").write_bytes(make_tar({"data.txt": b"1"}))
    with pytest.raises(SourceError, match=r"a\.tgz has no member 'other\.txt': it is another version than expected"):
        read_member(tmp_path / "a.tgz", "other.txt")


@pytest.mark.parametrize("name", ["a.whl", "a.tgz", "a.tar.gz", "a.deb"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x1f\x8b\x08\x00damaged", b"!<arch>\nshort"])
def test_a_damaged_archive_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name} is damaged"):
        read_member(tmp_path / name, "data.txt")


def test_an_archive_cut_short_is_damaged(tmp_path: Path, make_tar: MakeTar) -> None:
    whole = make_tar({"data.txt": bytes(range(256)) * 100})
    (tmp_path / "a.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"a\.tgz is damaged"):
        read_member(tmp_path / "a.tgz", "data.txt")
