"""How much memory the versions that are loaded may take in all, and which of them goes where another one needs room."""

import logging
import math
import threading
from dataclasses import dataclass
from time import monotonic

from serving.live_versions import LiveVersions
from serving.status import Code, StatusError
from serving.unloader import Unloader
from serving.version_record import VersionRecord

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_MIB = 1 << 20


class NoRoomError(StatusError):
    """RESOURCE_EXHAUSTED: what is held by requests that run leaves no room for a version, at present."""

    def __init__(self, record: VersionRecord, footprint: int, use: "MemoryUse") -> None:
        super().__init__(
            Code.RESOURCE_EXHAUSTED,
            f"version {record.version} of {record.name} takes {_show(footprint)}, for which there is no room: "
            f"{_show(use.held)} of the {_show(use.limit)} that --memory_budget_mb allows are held, too much of it by what "
            "requests are using. Ask again soon, or start the server with more",
            retry_after=_RETRY_SECONDS,
        )


@dataclass(frozen=True)
class MemoryUse:
    """Bytes, as the files of versions tell them."""

    limit: int
    held: int
    """By what is loaded, or is being loaded or closed."""


class MemoryBudget:
    """Lets versions be loaded as long as there is room, and makes room: what was not used for longest goes first.

    A version that a request holds never goes. Any thread may use it.

    State: what each version takes that is in memory, or about to be; behind a lock.
    """

    def __init__(self, limit: int, versions: LiveVersions, unloader: Unloader) -> None:
        """Allow so many bytes."""
        self._limit = limit
        self._versions = versions
        self._unloader = unloader
        self._held: dict[VersionRecord, int] = {}
        self._lock = threading.Lock()
        unloader.on_closed(self.release)

    def why_never(self, footprint: int) -> str:
        """Return why a version of so many bytes can never be loaded; nothing where it can."""
        if footprint <= self._limit:
            return ""
        return (
            f"it takes {_show(footprint)} by itself, more than the {_show(self._limit)} that --memory_budget_mb allows for "
            "all models: start the server with more, or export a smaller model"
        )

    def claim(
        self, record: VersionRecord, footprint: int, *, unused_since: float = math.inf, until: float = 0.0
    ) -> None:
        """Count a version as held that is about to be loaded, once what has to go for it is closed.

        Args:
            record: of the version.
            footprint: bytes that it takes.
            unused_since: only what was not used since may go for it, in seconds of `time.monotonic`.
            until: how long to wait for requests to let go of others, in seconds of `time.monotonic`.

        Raises:
            NoRoomError: too much is in use; nothing went then.
        """
        while True:
            seen = self._versions.returns
            if self._try_claim(record, footprint, unused_since):
                return
            if monotonic() >= until or not self._versions.wait_for_return(seen, until):
                raise NoRoomError(record, footprint, self.use())

    def release(self, record: VersionRecord) -> None:
        """Count a version no longer: it was closed, or could not be loaded."""
        with self._lock:
            self._held.pop(record, None)

    def use(self) -> MemoryUse:
        """Return how much of the budget is held."""
        with self._lock:
            return MemoryUse(self._limit, sum(self._held.values()))

    def _try_claim(self, record: VersionRecord, footprint: int, unused_since: float) -> bool:
        with self._unloader.turn:
            self._unloader.close_idle()
            missing = self.use().held + footprint - self._limit
            if missing > 0:
                gone = self._versions.evict(missing, self._sizes(), unused_since=unused_since)
                if not gone:
                    return False
                for each in gone:
                    logger.info(
                        "unloading %s version %d until it is asked for: %s needs room",
                        each.name,
                        each.version,
                        record.name,
                    )
                self._unloader.close_idle()
            with self._lock:
                self._held[record] = footprint
        return True

    def _sizes(self) -> dict[VersionRecord, int]:
        with self._lock:
            return dict(self._held)


def _show(size: int) -> str:
    return f"{max(0.1, size / _MIB):.1f} MiB"
