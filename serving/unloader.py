"""Closes versions that answer no more, once no request holds them, so that what they took is there for others."""

import gc
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serving.live_versions import LiveVersions
from serving.version_record import VersionRecord

logger = logging.getLogger(__name__)


class Unloader:
    """Closes when it is asked to, and by itself when the last lease on a version was returned. Any thread may use it.

    State: a lock, held while something is closed.
    """

    def __init__(self, versions: LiveVersions, *, threads: int = 0) -> None:
        """Watch over versions.

        Args:
            versions: those that there are.
            threads: how many are closed at once; 0 and 1: one after the other.
        """
        self._versions = versions
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="zoo-unload") if threads > 1 else None
        self._listeners: list[Callable[[VersionRecord], None]] = []
        self.turn = threading.RLock()
        """While it is held, nothing is closed by others, nor about to be."""
        versions.on_idle(self._wake)

    def on_closed(self, listener: Callable[[VersionRecord], None]) -> None:
        """Have a function told, by who holds the turn, of every version whose memory was given back."""
        self._listeners.append(listener)

    def close_idle(self) -> None:
        """Close the versions that are to be closed and that no request holds; returns once all of them are."""
        with self.turn:
            idle = self._versions.idle()
            if not idle:
                return
            done = list(map(self._close_one, idle) if self._pool is None else self._pool.map(self._close_one, idle))
            if any(done):
                gc.collect()  # TensorFlow's objects are in reference cycles: without this a cycle of loads grows by 16 MB
            for record, was_here in zip(idle, done, strict=True):
                if was_here is not None:
                    for listener in self._listeners:
                        listener(record)

    def close(self) -> None:
        """End the threads, once they are idle; what is returned later is closed all the same."""
        with self.turn:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _wake(self) -> None:
        # In a thread: whoever returned the last lease, the event loop maybe, must not wait for it.
        threading.Thread(target=self.close_idle, name="zoo-unload", daemon=True).start()

    def _close_one(self, record: VersionRecord) -> bool | None:
        """Close a version. Returns whether this process held it, rather than another; None where it is wanted again."""
        servable = self._versions.take(record)
        if servable is None:
            return None
        try:
            servable.engine.close()
        except Exception:
            logger.exception("version %d of %s could not be closed as it should be", servable.version, servable.name)
        self._versions.end(record)
        return servable.computes_here
