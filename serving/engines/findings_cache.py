"""Remembers, for each user of a machine, what was found out about versions: it takes seconds to find out."""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import google_crc32c

from serving.cores import available_cores
from serving.engines.findings import Findings
from zoo.typed_json import read

logger = logging.getLogger(__name__)

FORMAT = 2
_FILE = "findings.json"
_STAGING = ".making-"
_LOCK = ".lock-"
_DISTURBED = "-disturbed"
"""Ends the name of what was found while the machine was busy. What is found anew gets a folder beside it, so that nothing
changes for whoever loads from it just now; nobody does later, and it goes as what was used longest ago.
"""
MOST_BYTES = 4 << 30
_CHUNK = 1 << 20
_LIBRARIES = ("keras-zoo", "tensorflow", "ai-edge-litert", "numpy")


def cache_folder() -> Path:
    """Return where findings are kept: `keras-zoo/engines` in the user's cache directory, as XDG has it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "keras-zoo" / "engines"


def machine() -> Mapping[str, str]:
    """Return what findings depend on beside the model: the processor, how many of its cores, and versions of libraries."""
    found = {"processor": _processor(), "cores": str(available_cores()), "python": platform.python_version()}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _processor() -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError), Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def key_of(files: Mapping[str, str], **choices: object) -> str:
    """Return under which name findings are kept.

    Args:
        files: sha256 of the files of a version, by path.
        choices: whatever else made them what they are.
    """
    facts = {"format": FORMAT, "files": dict(files), "machine": machine(), **choices}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class FindingsCache:
    """A folder of findings, each in a folder of its own that appears whole. Any number of processes may share it.

    What is damaged counts as absent, and what cannot be kept is used once.
    """

    def __init__(self, folder: Path | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        """Prepare; nothing is read or made before it is needed.

        Args:
            folder: where; the user's own where not given.
            most_bytes: what may lie there; what was used longest ago goes first.
        """
        self._folder = folder
        self._most_bytes = most_bytes

    def find(self, key: str) -> tuple[Findings, Path] | None:
        """Return what is remembered, and the folder of its files; what was found while the machine was busy comes last."""
        return _find(self._place() / key) or _find(self._place() / f"{key}{_DISTURBED}")

    def can_keep(self) -> bool:
        """Tell whether anything more can be remembered."""
        return os.access(self._place(), os.W_OK)

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """Give an empty folder to make files in, which is gone at the end unless it was kept."""
        place = self._place()
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=place))
        except OSError as error:
            logger.warning("%s cannot be written, so that nothing is remembered: %s", place, error.strerror or error)
            folder = Path(tempfile.mkdtemp(prefix="keras-zoo-engines-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Let one process, and one thread, at a time find out what is kept under a key; more, where there can be no lock."""
        with contextlib.ExitStack() as stack:
            try:
                path = self._place() / f"{_LOCK}{key[:2]}"  # a few at the most, none of which ever has to be removed
                file = stack.enter_context(path.open("wb"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    logger.info("another process finds out what can run models, and is waited for")
                    fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                logger.debug("no lock in %s: %s", self._place(), error)
            yield

    def keep(self, key: str, findings: Findings, staging: Path) -> Path:
        """Remember findings, whose files are in a staging folder. Returns where they are now."""
        target = self._place() / f"{key}{_DISTURBED if findings.was_disturbed else ''}"
        (staging / _FILE).write_text(json.dumps(asdict(findings), indent=1, sort_keys=True), encoding="utf-8")
        if staging.parent != target.parent:
            return staging
        try:
            staging.rename(target)
        except OSError:  # another process was faster; or the folder cannot be written any more
            return target if target.exists() else staging
        self._clear(but=target)
        return target

    def _clear(self, *, but: Path) -> None:
        """Remove what was used longest ago, until the rest is small enough."""
        with contextlib.suppress(OSError):
            folders = [
                path for path in self._place().iterdir() if path != but and not path.name.startswith((_STAGING, _LOCK))
            ]
            folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
            total = _size(but)
            for folder in folders:
                total += _size(folder)
                if total > self._most_bytes:
                    shutil.rmtree(folder, ignore_errors=True)

    def _place(self) -> Path:
        return self._folder or cache_folder()


def _find(folder: Path) -> tuple[Findings, Path] | None:
    try:
        data = json.loads((folder / _FILE).read_bytes())
        findings: Findings = read(Findings, data)
        made = checksums(folder)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        _remove_damaged(folder, str(error))
        return None
    if made != findings.files:
        _remove_damaged(folder, "its files were changed")
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)  # used now: see `_clear`
    return findings, folder


def checksums(folder: Path) -> dict[str, int]:
    """Return the CRC-32C of the files in a folder of findings, by their paths; a hash would take ten times as long."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name != _FILE and path.is_file():
            total = 0
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    total = google_crc32c.extend(total, chunk)
            found[name] = total
    return found


def _remove_damaged(folder: Path, reason: str) -> None:
    logger.warning("what was remembered in %s is damaged, and found out anew: %s", folder, reason)
    shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
