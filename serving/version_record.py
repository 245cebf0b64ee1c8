"""What is known of one version."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from serving.servable import Servable


class State(IntEnum):
    """States of a version, numbered as on the wire."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionStatus:
    """State of one version, for whoever asks."""

    version: int
    state: State
    error: str = ""
    answers: bool = False
    """Whether who asks for it is answered: it is live, or loaded when it is asked for."""


@dataclass(eq=False)
class VersionRecord:
    """A version that was dealt with. Its state and what follows, up to `used`, is guarded by the lock of LiveVersions.

    The rest belongs to whoever loads it.
    """

    name: str
    """The model's."""
    version: int
    path: Path
    state: State = State.START
    error: str = ""
    servable: Servable | None = None
    leases: int = 0
    dormant: bool = False
    """Whether a request that asks for it has it loaded: in START, and on the way from and to it in LOADING and UNLOADING."""
    is_there: bool = True
    """Whether its folder was there when it was last looked for."""
    used: float = 0.0
    """When it was made or last given back by who used it, in seconds of `time.monotonic`."""
    fingerprint: object = None
    """What the files were when they were loaded, or could not be; while it is dormant, when they were last looked at."""
    stale: str = ""
    """Why its files, which were changed, cannot be loaded, while what they were before answers."""
    is_named: bool = False
    """Whether it is wanted by its number, and so not refused for what it answers."""
    was_refused: bool = False
    """Whether these files load, but answer recent requests so that they are not to go live."""
    attempts: int = 0
    """How often it was tried in vain to load these files."""
    retry_at: float = 0.0
    """In seconds of `time.monotonic`."""

    @property
    def answers(self) -> bool:
        """Whether who asks for it is answered: it is live, or loaded when it is asked for."""
        return self.state is State.AVAILABLE or self.dormant


def fingerprint(path: Path) -> object:
    """Tell one state of a folder's files from another; None where they cannot be read."""
    try:
        return sorted(_files(str(path)))
    except OSError:
        return None


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    """Walk through what is in a folder: path, size and time of change, by one system call each."""
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            facts = entry.stat()
            yield entry.path, facts.st_size, facts.st_mtime_ns
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
