"""Reading single members out of package archives: wheels, sdists, Debian and npm packages. Nothing is installed or run.

A member is a path inside the archive. `outer.tar.gz!inner.txt` is inside an archive inside; a path with `*` gathers all that
match into one tar file, which is the same bytes wherever and whenever it is made.
"""

import fnmatch
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from training.sources.collection import SourceError

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)


def read_member(archive: Path, member: str, *, unpacked: bool = False) -> bytes:
    """Return the contents of a member of an archive.

    Args:
        archive: a .whl, .zip, .deb or tar file.
        member: which (see above).
        unpacked: gunzip it.

    Raises:
        SourceError: the archive is damaged or has no such member.
    """
    try:
        data, name = archive.read_bytes(), archive.name
        for part in member.split("!"):
            data, name = _read(data, name, part), part
        return gzip.decompress(data) if unpacked else data
    except _DAMAGED as error:
        raise SourceError(f"{archive.name} is damaged: {error}") from None


def _read(data: bytes, name: str, member: str) -> bytes:
    wanted = (lambda path: fnmatch.fnmatchcase(path, member)) if "*" in member else (lambda path: path == member)
    found = dict(_members(data, name, wanted))
    if not found:
        raise SourceError(f"{name} has no member {member!r}: it is another version than expected")
    return _gather(found) if "*" in member else found[member]


def _members(data: bytes, name: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    if name.endswith((".whl", ".zip")):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from ((path, archive.read(path)) for path in archive.namelist() if wanted(path))
        return
    with tarfile.open(fileobj=io.BytesIO(_debian_data(data, name) if name.endswith(".deb") else data)) as archive:
        for entry in archive:
            path = entry.name.removeprefix("./")
            content = archive.extractfile(entry) if entry.isfile() and wanted(path) else None
            if content is not None:
                yield path, content.read()


def _debian_data(data: bytes, name: str) -> bytes:
    """Return the tar file of a .deb's files: one member of an `ar` archive (deb(5))."""
    if not data.startswith(_AR_MAGIC):
        raise SourceError(f"{name} is damaged: it does not start as a Debian package does")
    start = len(_AR_MAGIC)
    while start + _AR_HEADER <= len(data):
        header = data[start : start + _AR_HEADER]
        member, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
        start += _AR_HEADER
        if member.startswith("data.tar"):
            return _by_dpkg(data, name) if member.endswith(".zst") else data[start : start + size]
        start += size + size % 2
    raise SourceError(f"{name} is damaged: there are no files in it")


def _by_dpkg(data: bytes, name: str) -> bytes:
    program = shutil.which("dpkg-deb")
    if program is None:
        raise SourceError(f"{name} is compressed by zstd, which needs dpkg-deb: apt-get install dpkg")
    done = subprocess.run([program, "--fsys-tarfile", "/dev/stdin"], input=data, capture_output=True, check=False)
    if done.returncode:
        raise SourceError(f"{name} is damaged: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _gather(files: dict[str, bytes]) -> bytes:
    """Return a tar file of files, by name, with nothing in it of when and by whom it was made."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(str(PurePosixPath(path)))
            entry.size = len(files[path])
            archive.addfile(entry, io.BytesIO(files[path]))
    return target.getvalue()
