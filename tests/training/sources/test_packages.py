"""The package sources: pip itself, on a folder of packages; npm and apt-get as scripts that do what those do."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from training.sources.apt import AptSource
from training.sources.collection import DataFile, MissingClientError, SourceError
from training.sources.npm import NpmSource
from training.sources.package import PackageSource
from training.sources.pip import PipSource

LINES = b"one\ntwo\nthree\n"
Install = Callable[[str, str], Path]


def ignore(size: int) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "come"
    path.mkdir()
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks for packages in, and nowhere else."""
    path = tmp_path / "index"
    path.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path))
    return path


def test_pip_brings_a_file_out_of_a_wheel(
    folder: Path, index: Path, make_wheel: Callable[[Path], Path], lines_file: DataFile
) -> None:
    make_wheel(index)
    PipSource("lines==1.0", {"lines.txt": "lines/lines.txt"}).provide([lines_file], folder, ignore)
    assert (folder / "lines.txt").read_bytes() == LINES


def test_pip_says_what_it_does_not_find(folder: Path, index: Path, lines_file: DataFile) -> None:
    with pytest.raises(SourceError, match=r"No matching distribution found for lines==1\.0"):
        PipSource("lines==1.0", {"lines.txt": "lines/lines.txt"}).provide([lines_file], folder, ignore)


def test_a_source_archive_with_another_sha256_is_never_run(
    folder: Path, index: Path, make_tar: Callable[[dict[str, bytes]], bytes], lines_file: DataFile, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    setup = f"open({str(ran)!r}, 'w')\n".encode()
    (index / "lines-1.0.tar.gz").write_bytes(
        make_tar({"lines-1.0/setup.py": setup, "lines-1.0/lines.txt": LINES, "lines-1.0/PKG-INFO": b"Name: lines\n"})
    )
    source = PipSource("lines==1.0", {"lines.txt": "lines-1.0/lines.txt"}, sdist_sha256="0" * 64)
    with pytest.raises(SourceError, match=r"sha256|HASHES"):
        source.provide([lines_file], folder, ignore)
    assert not ran.exists()


def test_npm_packs_and_installs_nothing(
    folder: Path,
    tmp_path: Path,
    install_program: Install,
    make_tar: Callable[[dict[str, bytes]], bytes],
    lines_file: DataFile,
) -> None:
    (tmp_path / "package.tgz").write_bytes(make_tar({"package/lines.txt": LINES}))
    install_program(
        "npm",
        f'[ "$1 $2 $3" = "pack @s/lines@1.0.0 --ignore-scripts" ] || exit 1; cp {tmp_path}/package.tgz s-lines-1.0.0.tgz',
    )
    NpmSource("@s/lines@1.0.0", {"lines.txt": "package/lines.txt"}).provide([lines_file], folder, ignore)
    assert (folder / "lines.txt").read_bytes() == LINES


def debian_package(files: bytes) -> bytes:
    header = f"{'data.tar.gz':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(files):<10}`\n".encode()
    return b"!<arch>\n" + header + files


def test_apt_brings_a_packed_file_unpacked(
    folder: Path,
    tmp_path: Path,
    install_program: Install,
    make_tar: Callable[[dict[str, bytes]], bytes],
    lines_file: DataFile,
) -> None:
    (tmp_path / "package").write_bytes(debian_package(make_tar({"./usr/share/lines.txt.gz": gzip.compress(LINES)})))
    install_program("apt-get", f"cp {tmp_path}/package lines_1.0-1_all.deb")
    AptSource("lines", {"lines.txt": "usr/share/lines.txt.gz"}).provide([lines_file], folder, ignore)
    assert (folder / "lines.txt").read_bytes() == LINES


def test_apt_reads_lists_of_its_own_where_the_system_has_none(
    folder: Path,
    tmp_path: Path,
    install_program: Install,
    make_tar: Callable[[dict[str, bytes]], bytes],
    lines_file: DataFile,
) -> None:
    (tmp_path / "package").write_bytes(debian_package(make_tar({"./usr/share/lines.txt": LINES})))
    install_program(
        "apt-get",
        f"""
        lists=$(echo "$*" | sed -n 's/.*Dir::State::Lists=\\([^ ]*\\).*/\\1/p')
        case "$*" in
            *update) touch "$lists/read" ;;
            *) [ -e "$lists/read" ] || {{ echo "E: Unable to locate package lines"; exit 100; }}
               cp {tmp_path}/package lines_1.0-1_all.deb ;;
        esac
        """,
    )
    AptSource("lines", {"lines.txt": "usr/share/lines.txt"}).provide([lines_file], folder, ignore)
    assert (folder / "lines.txt").read_bytes() == LINES


@pytest.mark.parametrize(
    ("source", "client"),
    [
        (AptSource("lines", {"lines.txt": "lines.txt"}), "apt-get"),
        (NpmSource("lines@1.0", {"lines.txt": "lines.txt"}), "npm"),
    ],
)
def test_a_missing_client_is_named(
    source: PackageSource, client: str, folder: Path, no_programs: None, lines_file: DataFile
) -> None:
    with pytest.raises(MissingClientError, match=f"^{client} is missing"):
        source.provide([lines_file], folder, ignore)


def test_pip_is_missing_where_python_has_none(
    folder: Path, lines_file: DataFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.sources.pip.find_spec", lambda _: None)
    with pytest.raises(MissingClientError, match=r"^pip is missing: .* -m ensurepip$"):
        PipSource("lines==1.0", {"lines.txt": "lines.txt"}).provide([lines_file], folder, ignore)
