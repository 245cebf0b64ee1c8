"""Makes versions live: loads them, tries again where that failed, and loads anew what was changed."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TypeVar

from serving.batching_parameters import BatchingParameters
from serving.engines.engine import EngineLoader, FootprintReader
from serving.footprint import saved_model_bytes
from serving.gentle import gently
from serving.live_versions import LiveVersions
from serving.memory_budget import MemoryBudget
from serving.model_ref import ModelRef
from serving.recent_gate import RecentGate, RefusedVersionError
from serving.servable import Servable, load_servable
from serving.status import StatusError
from serving.unloader import Unloader
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
    on_first_use: bool = False
    """Whether versions are loaded when they are asked for."""
    memory_bytes: int | None = None
    """What those that are loaded may take in all; it goes with `on_first_use`."""
    room_seconds: float = 1.0
    """How long who asks for a version waits for requests to let go of others, whose memory it needs."""
    most_waiting: int = 1000
    """How many requests may wait for versions to be loaded."""


class Loader:
    """Loads versions. For each model one thread at a time uses it."""

    def __init__(
        self,
        versions: LiveVersions,
        unloader: Unloader,
        load_engine: EngineLoader,
        loading: Loading,
        gate: RecentGate | None = None,
    ) -> None:
        self._versions = versions
        self._unloader = unloader
        self._load_engine = load_engine
        self._loading = loading
        self._gate = gate
        self._loaders = ThreadPoolExecutor(loading.threads, "zoo-load") if loading.threads > 1 else None
        self._retries: dict[str, float] = {}
        self.stopped = False
        """Set from any thread, for good: models whose turn has not come are left as they are."""
        self.budget = None if loading.memory_bytes is None else MemoryBudget(loading.memory_bytes, versions, unloader)

    def for_each(self, work: Callable[[T], None], models: Iterable[T]) -> None:
        """Do the same for each model, several at a time where so many threads were asked for; for none once stopped."""

        def unless_stopped(model: T) -> None:
            if not self.stopped:
                work(model)

        for _ in map(unless_stopped, models) if self._loaders is None else self._loaders.map(unless_stopped, models):
            pass

    @property
    def retry_at(self) -> float | None:
        """When one of the versions that are wanted should be tried again, in seconds of `time.monotonic`."""
        return min(self._retries.copy().values(), default=None)

    def plan_no_retry(self, name: str) -> None:
        """Try none of a model's versions again, but for those that are asked for from now on."""
        self._retries.pop(name, None)

    def ensure_live(
        self,
        name: str,
        version: int,
        path: Path,
        *,
        named: bool | None = None,
        replaces: float | None = None,
        room_by: float = 0.0,
    ) -> str | None:
        """Load a version's files unless they are live, or known not to load.

        Args:
            name: the model's.
            version: its number.
            path: its folder.
            named: whether it is wanted by its number, and so not refused for what it answers; None for what it was.
            replaces: when the version was last used in whose place it is loaded, in seconds of `time.monotonic`: what was
                used since does not go for it.
            room_by: how long to wait for requests to let go of others, in seconds of `time.monotonic`.

        Returns:
            Why they cannot be loaded, if so.

        Raises:
            NoRoomError: they can, but not now; the version is what it was.
        """
        files = fingerprint(path)
        record = self._current_record(name, version, path, files)
        unchanged = _is_unchanged(record, files, named=named)
        if record.state is State.AVAILABLE:
            if unchanged or not files:  # without any it is being removed
                return record.stale or None
            return self._load_anew(record, path, files, replaces, room_by)
        if not self._may_load(record, unchanged=unchanged):
            return record.error
        logger.info("loading %s version %d from %s", name, version, path)
        return self._load(record, path, files, replaces, room_by)

    def ensure_dormant(self, name: str, version: int, path: Path, *, named: bool) -> str | None:
        """Have a version that is not live be loaded when it is asked for. Returns why its files cannot be loaded, if so."""
        files = fingerprint(path)
        record = self._current_record(name, version, path, files)
        if record.state is State.AVAILABLE:
            return None
        unchanged = _is_unchanged(record, files, named=named)
        if not self._may_load(record, unchanged=unchanged):
            return record.error
        if unchanged and record.dormant:
            return None
        record.path, record.fingerprint = path, files
        _, error = self._measure(path)
        if error:
            return self._give_up(record, error)
        self._versions.rest(record)
        return None

    def close(self) -> None:
        """End the threads, once they are idle."""
        if self._loaders is not None:
            self._loaders.shutdown(wait=False)

    def _current_record(self, name: str, version: int, path: Path, files: object) -> VersionRecord:
        """Return the record of a version that is wanted; one that is on its way out turns back, or gives way to another."""
        record = self._versions.record(name, version, path)
        if record.state is State.UNLOADING and record.dormant:
            self._unloader.close_idle()  # it is being closed, and only that
        if record.state is not State.UNLOADING or (record.fingerprint == files and self._versions.revive(record)):
            return record
        fresh = VersionRecord(name, version, path)
        self._versions.replace(record, fresh)
        return fresh

    def _may_load(self, record: VersionRecord, *, unchanged: bool) -> bool:
        """Tell whether files that are not live may be tried: not those that just failed, or did too often."""
        if not unchanged:
            record.attempts = 0
        elif record.error and not (self._may_retry(record) and monotonic() >= record.retry_at):
            self._plan_retry(record)
            return False
        return True

    def _may_retry(self, record: VersionRecord) -> bool:
        return record.attempts <= self._loading.max_retries and not record.was_refused

    def _plan_retry(self, record: VersionRecord) -> None:
        if self._may_retry(record):
            self._retries[record.name] = min(record.retry_at, self._retries.get(record.name, record.retry_at))

    def _measure(self, path: Path) -> tuple[int, str]:
        """Return what a version takes, where there is a budget, and why it cannot be loaded, if its files tell."""
        if self.budget is None:
            return 0, ""
        read = self._load_engine.memory_bytes if isinstance(self._load_engine, FootprintReader) else saved_model_bytes
        try:
            footprint = read(path)
        except ZooError as error:
            return 0, str(error)[:_LONGEST_ERROR]
        return footprint, self.budget.why_never(footprint)

    def _claim(self, record: VersionRecord, path: Path, replaces: float | None, room_by: float) -> str:
        """Have room for a version. Returns why it can never be had, if so. Raises NoRoomError."""
        footprint, error = self._measure(path)
        if self.budget is not None and not error:
            self.budget.claim(
                record,
                footprint,
                unused_since=math.inf if replaces is None else replaces,
                until=room_by,
            )
        return error

    def _load(
        self, record: VersionRecord, path: Path, files: object, replaces: float | None, room_by: float
    ) -> str | None:
        error = self._claim(record, path, replaces, room_by)
        record.path, record.fingerprint = path, files
        if error:
            return self._give_up(record, error)
        self._versions.begin_load(record)
        wait = self._loading.retry_seconds
        while True:
            servable, error, record.was_refused = self._try_load(record, path)
            if servable is not None:
                record.attempts = 0
                self._versions.go_live(record, servable, used=replaces)
                logger.info("serving %s version %d", record.name, record.version)
                return None
            record.attempts += 1
            record.retry_at = monotonic() + max(0.0, wait)
            tries = self._loading.max_retries + 1 - record.attempts if self._may_retry(record) else 0
            more = f" (tried again every {wait:g} s, {tries} times)" if tries > 0 else ""
            logger.error("cannot load %s version %d: %s%s", record.name, record.version, error, more)
            if tries <= 0 or wait > 0:
                self._release(record)
                self._versions.fail(record, error)
                self._plan_retry(record)
                return error

    def _load_anew(
        self, record: VersionRecord, path: Path, files: object, replaces: float | None, room_by: float
    ) -> str | None:
        """Load a live version's new files in its place; where they do not load, the old one stays."""
        name, version = record.name, record.version
        fresh = VersionRecord(name, version, path, State.LOADING, fingerprint=files, is_named=record.is_named)
        error = self._claim(fresh, path, replaces, room_by)
        servable, record.was_refused = None, False
        if not error:
            logger.info("loading %s version %d anew, whose files changed, from %s", name, version, path)
            servable, error, record.was_refused = self._try_load(fresh, path)
        if servable is None:
            self._release(fresh)
            record.fingerprint, record.stale = files, error
            logger.error("cannot load %s version %d anew: %s", name, version, error)
            return error
        self._versions.go_live(fresh, servable, used=replaces)
        self._versions.replace(record, fresh)
        logger.info("serving %s version %d", name, version)
        return None

    def _give_up(self, record: VersionRecord, error: str) -> str:
        """Note that files cannot be loaded, as they tell themselves: not to be tried again before they change."""
        record.attempts = self._loading.max_retries + 1
        logger.error("cannot load %s version %d: %s", record.name, record.version, error)
        self._versions.fail(record, error)
        return error

    def _release(self, record: VersionRecord) -> None:
        if self.budget is not None:
            self.budget.release(record)

    def _try_load(self, record: VersionRecord, path: Path) -> tuple[Servable | None, str, bool]:
        """Return a version that may go live; or why there is none, and whether it was refused though it loads."""
        try:
            return gently(lambda: self._load_checked(record, path)), "", False
        except Exception as error:  # noqa: BLE001 - whatever lies in a folder, it must not stop the server
            reason = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
            return None, reason[:_LONGEST_ERROR], isinstance(error, RefusedVersionError)

    def _load_checked(self, record: VersionRecord, path: Path) -> Servable:
        servable = load_servable(
            record.name,
            record.version,
            path,
            self._load_engine,
            own_batching=self._loading.own_batching,
            enable_warm_up=self._loading.enable_warm_up,
        )
        try:
            self._hold_against_live(servable, named=record.is_named)
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
            except StatusError:  # no version of it is in memory
                return
            self._gate.check(new, live, may_refuse=not named)


def _is_unchanged(record: VersionRecord, files: object, *, named: bool | None) -> bool:
    """Tell whether nothing new can come of a version, and note whether it is wanted by its number."""
    if named is not None:
        record.is_named = named
    return record.fingerprint == files and not (record.was_refused and record.is_named)
