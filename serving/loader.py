"""Makes versions live: loads them, tries again where that failed, and loads anew what was changed."""

import contextlib
import gc
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TypeVar

from serving.batching_parameters import BatchingParameters
from serving.engines.engine import EngineLoader
from serving.gentle import gently
from serving.live_versions import LiveVersions
from serving.model_ref import ModelRef
from serving.recent_gate import RecentGate, RefusedVersionError
from serving.servable import Servable, load_servable
from serving.status import StatusError
from serving.version_record import State, VersionRecord, fingerprint
from zoo.errors import ZooError

logger = logging.getLogger(__name__)

_LONGEST_ERROR = 500  # characters; it is told to every client that asks for the status

T = TypeVar("T")


@dataclass(frozen=True)
class Loading:
    """How versions are loaded and unloaded."""

    threads: int = 0
    """How many models are loaded at once; 0 and 1: one after the other."""
    unload_threads: int = 0
    """How many versions are unloaded at once."""
    max_retries: int = 5
    """How often it is tried again to load a version whose files stay the same."""
    retry_seconds: float = 60.0
    """Between tries; 0 or less for no wait."""
    enable_warm_up: bool = True
    """Whether a version answers its recorded requests before it goes live."""
    own_batching: BatchingParameters | None = None
    """Set: versions bring batching parameters of their own, and share these threads."""


class Loader:
    """Loads and closes versions. One `refresh` of a manager's at a time uses it, from several threads."""

    def __init__(
        self, versions: LiveVersions, load_engine: EngineLoader, loading: Loading, gate: RecentGate | None = None
    ) -> None:
        self._versions = versions
        self._load_engine = load_engine
        self._loading = loading
        self._gate = gate
        self._loaders = _pool(loading.threads, "zoo-load")
        self._unloaders = _pool(loading.unload_threads, "zoo-unload")
        self._retries: dict[str, float] = {}

    def for_each(self, work: Callable[[T], None], models: Iterable[T]) -> None:
        """Do the same for each model, several at a time where so many threads were asked for."""
        _each(self._loaders, work, models)

    @property
    def retry_at(self) -> float | None:
        """When one of the versions that are wanted should be tried again, in seconds of `time.monotonic`."""
        return min(self._retries.copy().values(), default=None)

    def plan_no_retry(self, name: str) -> None:
        """Try none of a model's versions again, but for those that `ensure_live` is asked for from now on."""
        self._retries.pop(name, None)

    def ensure_live(self, name: str, version: int, path: Path, *, named: bool = False) -> str | None:
        """Load a version's files unless they are live, or known not to load. Returns why they cannot be loaded, if so.

        One that is `named`, asked for by its number, is not refused for what it answers to recent requests.
        """
        files = fingerprint(path)
        record = self._versions.record(name, version, VersionRecord(path))
        unchanged = record.fingerprint == files
        if record.state is State.UNLOADING:
            if unchanged:
                self._versions.revive(record)
            else:
                fresh = VersionRecord(path)
                self._versions.replace(name, version, fresh)
                record = fresh
        if record.state is State.AVAILABLE:
            if (unchanged and not (named and record.was_refused)) or not files:  # without any it is being removed
                return record.stale or None
            return self._load_anew(record, name, version, path, files, named=named)
        if not unchanged or (named and record.was_refused):
            record.attempts = 0
        elif record.error and not (self._may_retry(record) and monotonic() >= record.retry_at):
            self._plan_retry(name, record)
            return record.error
        logger.info("loading %s version %d from %s", name, version, path)
        return self._load(record, name, version, path, files, named=named)

    def close_idle(self) -> None:
        """Close the versions that were retired and that no request holds."""
        idle = self._versions.take_idle()
        _each(self._unloaders, self._close_one, idle)
        if idle:
            gc.collect()  # TensorFlow's objects are in reference cycles: without this a cycle of loads grows by 16 MB

    def close(self) -> None:
        """End the threads, once they are idle."""
        for pool in (self._loaders, self._unloaders):
            if pool is not None:
                pool.shutdown(wait=False)

    def _may_retry(self, record: VersionRecord) -> bool:
        return record.attempts <= self._loading.max_retries and not record.was_refused

    def _plan_retry(self, name: str, record: VersionRecord) -> None:
        if self._may_retry(record):
            self._retries[name] = min(record.retry_at, self._retries.get(name, record.retry_at))

    def _load(
        self, record: VersionRecord, name: str, version: int, path: Path, files: object, *, named: bool
    ) -> str | None:
        self._versions.set_state(record, State.LOADING)
        wait = self._loading.retry_seconds
        while True:
            servable, error, record.was_refused = self._try_load(name, version, path, named=named)
            record.path, record.fingerprint = path, files
            if servable is not None:
                record.attempts = 0
                self._versions.set_state(record, State.AVAILABLE, servable=servable)
                logger.info("serving %s version %d", name, version)
                return None
            record.attempts += 1
            record.retry_at = monotonic() + max(0.0, wait)
            tries = self._loading.max_retries + 1 - record.attempts if self._may_retry(record) else 0
            more = f" (tried again every {wait:g} s, {tries} times)" if tries > 0 else ""
            logger.error("cannot load %s version %d: %s%s", name, version, error, more)
            if tries <= 0 or wait > 0:
                self._versions.set_state(record, State.END, error=error)
                self._plan_retry(name, record)
                return error

    def _load_anew(
        self, record: VersionRecord, name: str, version: int, path: Path, files: object, *, named: bool
    ) -> str | None:
        """Load a live version's new files in its place; where they do not load, the old one stays."""
        logger.info("loading %s version %d anew, whose files changed, from %s", name, version, path)
        servable, error, record.was_refused = self._try_load(name, version, path, named=named)
        if servable is None:
            record.fingerprint, record.stale = files, error
            logger.error("cannot load %s version %d anew: %s", name, version, error)
            return error
        fresh = VersionRecord(path, State.AVAILABLE, servable=servable, fingerprint=files)
        self._versions.replace(name, version, fresh)
        logger.info("serving %s version %d", name, version)
        return None

    def _try_load(self, name: str, version: int, path: Path, *, named: bool) -> tuple[Servable | None, str, bool]:
        """Return a version that may go live; or why there is none, and whether it was refused though it loads."""
        try:
            return gently(lambda: self._load_checked(name, version, path, named=named)), "", False
        except Exception as error:  # noqa: BLE001 - whatever lies in a folder, it must not stop the server
            reason = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
            return None, reason[:_LONGEST_ERROR], isinstance(error, RefusedVersionError)

    def _load_checked(self, name: str, version: int, path: Path, *, named: bool) -> Servable:
        servable = load_servable(
            name,
            version,
            path,
            self._load_engine,
            own_batching=self._loading.own_batching,
            enable_warm_up=self._loading.enable_warm_up,
        )
        try:
            self._hold_against_live(servable, named=named)
        except BaseException:
            servable.engine.close()
            raise
        return servable

    def _hold_against_live(self, new: Servable, *, named: bool) -> None:
        if self._gate is None:
            return
        with contextlib.ExitStack() as stack:
            try:
                live = stack.enter_context(self._versions.lease(ModelRef(new.name)))
            except StatusError:  # no version of it answers
                return
            self._gate.check(new, live, may_refuse=not named)

    def _close_one(self, record: VersionRecord) -> None:
        if record.servable is not None:
            record.servable.engine.close()
        self._versions.set_state(record, State.END)


def _pool(threads: int, name: str) -> ThreadPoolExecutor | None:
    return ThreadPoolExecutor(threads, thread_name_prefix=name) if threads > 1 else None


def _each(pool: ThreadPoolExecutor | None, work: Callable[[T], None], items: Iterable[T]) -> None:
    for _ in map(work, items) if pool is None else pool.map(work, items):
        pass
