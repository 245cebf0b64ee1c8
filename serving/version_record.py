"""What is known of one version."""

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


@dataclass(eq=False)
class VersionRecord:
    """A version that was dealt with. Its state, servable and leases are guarded by the lock of LiveVersions.

    The rest belongs to whoever loads it.
    """

    path: Path
    state: State = State.START
    error: str = ""
    servable: Servable | None = None
    leases: int = 0
    fingerprint: object = None
    """What the files were when they were loaded, or could not be."""
    stale: str = ""
    """Why its files, which were changed, cannot be loaded, while what they were before answers."""
    was_refused: bool = False
    """Whether these files load, but answer recent requests so that they are not to go live."""
    attempts: int = 0
    """How often it was tried in vain to load these files."""
    retry_at: float = 0.0
    """In seconds of `time.monotonic`."""


def fingerprint(path: Path) -> object:
    """Tell one state of a folder's files from another; None where they cannot be read."""
    try:
        files = sorted(path.rglob("*"))
        return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError:
        return None
