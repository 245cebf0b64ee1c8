r"""What is live: loads a new version before the old one goes, and lets no request lose its version.

START -> LOADING -> AVAILABLE -> UNLOADING -> END         a version's life, in TensorFlow Serving's words
                  \-> END with an error                        it could not be loaded; tried again when its files change

A live version whose files change is loaded anew, though versions should be immutable: a repository may be made afresh.
"""

import contextlib
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from serving.engines.engine import EngineLoader
from serving.model_ref import ModelRef
from serving.repository import Repository, VersionPolicy
from serving.servable import Servable, load_servable
from serving.status import Code, StatusError, invalid
from zoo.errors import ZooError, did_you_mean

logger = logging.getLogger(__name__)

_LONGEST_ERROR = 500  # characters; it is told to every client that asks for the status

Listener = Callable[[], None]


class State(IntEnum):
    """States of a version, numbered as on the wire."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(eq=False)
class _Version:
    """A version that this manager has dealt with. Guarded by the manager's lock."""

    path: Path
    state: State = State.START
    error: str = ""
    servable: Servable | None = None
    leases: int = 0
    fingerprint: object = None
    """What the files were when they were loaded, or could not be."""


@dataclass(frozen=True)
class VersionStatus:
    """State of one version, for whoever asks."""

    version: int
    state: State
    error: str = ""


class Manager:
    """Keeps the right versions live.

    `refresh` does all loading and unloading; it may be called from any thread, one at a time goes through. Everything
    else may be called from any thread at any time and never waits for a load.
    """

    def __init__(self, repository: Repository, policy: VersionPolicy, load_engine: EngineLoader) -> None:
        self._repository = repository
        self._policy = policy
        self._load_engine = load_engine
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._models: dict[str, dict[int, _Version]] = {}
        self._replaced: list[_Version] = []
        self._closed = False
        self._unloaded: set[str] = set()
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        """Have a function called, in the refreshing thread, whenever a version's state changed."""
        self._listeners.append(listener)

    def refresh(self) -> None:
        """Look at the repository, load what should be live, then unload what should not."""
        with self._refreshing:
            if self._closed:
                return
            for name, found in self._repository.scan().items():
                if name not in self._unloaded:
                    self._refresh_model(name, found)
            self._close_retired()

    def close(self, timeout: float = -1) -> bool:
        """Unload everything, for good. Call when no request is running.

        Args:
            timeout: seconds to wait for a load that is under way; -1 for as long as it takes.

        Returns:
            Whether it could be done: False where a load did not end in time.
        """
        if not self._refreshing.acquire(timeout=timeout):
            return False
        try:
            self._closed = True
            with self._lock:
                live = [(n, v) for n, versions in self._models.items() for v, r in versions.items() if r.servable]
            for name, version in live:
                self._retire(name, version)
            self._close_retired()
        finally:
            self._refreshing.release()
        return True

    @contextlib.contextmanager
    def lease(self, model: ModelRef) -> Iterator[Servable]:
        """Give a servable, the newest live version or a certain one, that stays loaded until the block ends.

        Raises:
            StatusError: NOT_FOUND; no such model or version is live.
        """
        with self._lock:
            record = self._find(model)
            record.leases += 1
            servable = record.servable
        assert servable is not None  # noqa: S101 - AVAILABLE means that it is there
        try:
            yield servable
        finally:
            with self._lock:
                record.leases -= 1

    def statuses(self, name: str) -> list[VersionStatus]:
        """Return the states of a model's versions, the newest first; empty for an unknown model."""
        with self._lock:
            versions = self._models.get(name, {})
            return [VersionStatus(v, r.state, r.error) for v, r in sorted(versions.items(), reverse=True)]

    def models(self) -> dict[str, bool]:
        """Return whether each known model has a live version."""
        with self._lock:
            return {
                name: any(record.state is State.AVAILABLE for record in versions.values())
                for name, versions in sorted(self._models.items())
            }

    def _find(self, model: ModelRef) -> _Version:
        if model.label is not None:
            raise invalid(
                f"Unrecognized servable version label: {model.label}; this server has no labels, give a version",
                field="model_spec.version_label",
            )
        versions = self._models.get(model.name, {})
        live = {number: record for number, record in versions.items() if record.state is State.AVAILABLE}
        wanted = max(live, default=None) if model.version is None else model.version
        if wanted in live:
            return live[wanted]
        raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {model}; {self._why_not(model.name, live)}")

    def _why_not(self, name: str, live: dict[int, _Version]) -> str:
        if live:
            numbers = ", ".join(map(str, sorted(live)))
            return f"versions being served: {numbers} (--versions all serves every version)"
        if name not in self._models:
            return f"unknown model: {did_you_mean(name, self._models)}"
        failed = next(
            (record.error for _, record in sorted(self._models[name].items(), reverse=True) if record.error), ""
        )
        return "no version of it is loaded" + (f": {failed}" if failed else "")

    def _refresh_model(self, name: str, found: dict[int, Path]) -> None:
        with self._lock:
            known = self._models.setdefault(name, {})
            gone = [v for v, record in known.items() if v not in found and record.state is State.END]
            for version in gone:
                del known[version]
        limit = self._policy.latest or len(found)
        keep: set[int] = set()
        for version in self._policy.candidates(found):
            if len(keep) < limit and self._ensure_live(name, version, found[version]):
                keep.add(version)
        with self._lock:
            live = {v for v, record in known.items() if record.state is State.AVAILABLE}
        if live and not keep:
            return  # its files are gone or broken: what is up stays up
        for version in live - keep:
            self._retire(name, version)

    def _ensure_live(self, name: str, version: int, path: Path) -> bool:
        """Load a version unless it is live, or is known not to load. Returns whether it is live."""
        fingerprint = _fingerprint(path)
        with self._lock:
            record = self._models[name].setdefault(version, _Version(path))
            if record.state is State.UNLOADING:
                return False
            is_live = record.state is State.AVAILABLE
        if record.fingerprint == fingerprint and (is_live or record.error):
            return is_live
        if is_live and not fingerprint:
            return True  # it is being removed
        logger.info("loading %s version %d from %s%s", name, version, path, ", whose files changed" if is_live else "")
        if not is_live:
            self._set_state(record, State.LOADING)
        servable, error = self._try_load(name, version, path)
        record.fingerprint = fingerprint
        if servable is None:
            logger.error("cannot load %s version %d: %s", name, version, error)
            if not is_live:
                self._set_state(record, State.END, error=error)
            return is_live
        if is_live:
            self._replace(name, version, _Version(path, State.AVAILABLE, servable=servable, fingerprint=fingerprint))
        else:
            self._set_state(record, State.AVAILABLE, servable=servable)
        logger.info("serving %s version %d", name, version)
        return True

    def _try_load(self, name: str, version: int, path: Path) -> tuple[Servable | None, str]:
        try:
            return load_servable(name, version, path, self._load_engine), ""
        except Exception as error:  # noqa: BLE001 - whatever lies in a folder, it must not stop the server
            reason = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
            return None, reason[:_LONGEST_ERROR]

    def _replace(self, name: str, version: int, record: _Version) -> None:
        """Put a record in a live one's place; the old one is closed once its last lease was returned."""
        with self._lock:
            old = self._models[name][version]
            old.state = State.UNLOADING
            self._replaced.append(old)
            self._models[name][version] = record
        self._tell_listeners()

    def _retire(self, name: str, version: int) -> None:
        """Give no more leases on a version; it is closed once the last one was returned."""
        logger.info("unloading %s version %d", name, version)
        record = self._models[name][version]
        self._set_state(record, State.UNLOADING, servable=record.servable)

    def _close_retired(self) -> None:
        with self._lock:
            known = [record for versions in self._models.values() for record in versions.values()]
            idle = [r for r in (*known, *self._replaced) if r.state is State.UNLOADING and r.leases == 0]
            self._replaced = [record for record in self._replaced if record not in idle]
        for record in idle:
            if record.servable is not None:
                record.servable.engine.close()
            self._set_state(record, State.END)
        if idle:
            gc.collect()  # TensorFlow's objects are in reference cycles: without this a cycle of loads grows by 16 MB

    def _set_state(self, record: _Version, state: State, *, error: str = "", servable: Servable | None = None) -> None:
        with self._lock:
            record.state, record.error, record.servable = state, error, servable
        self._tell_listeners()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()

    def load(self, name: str) -> None:
        """Load a model, or what of it has changed, also one that was unloaded or could not be loaded before.

        Raises:
            StatusError: NOT_FOUND, there is no such model; INVALID_ARGUMENT, no version of it can be loaded.
        """
        with self._refreshing:
            found = self._repository.scan()
            if self._closed or not found.get(name):
                raise StatusError(
                    Code.NOT_FOUND,
                    f"failed to load '{name}', failed to poll from model repository: {did_you_mean(name, found)}",
                    field="model_name",
                )
            self._unloaded.discard(name)
            with self._lock:
                versions = self._models.get(name, {})
                for number, record in list(versions.items()):
                    if record.state is State.UNLOADING:  # requests still use it: its successor is loaded beside it
                        self._replaced.append(versions.pop(number))
                    elif record.state is not State.AVAILABLE:
                        record.fingerprint = None
            self._refresh_model(name, found[name])
            self._close_retired()
        if not self.models()[name]:
            reasons = [
                f"version {s.version} is at UNAVAILABLE state: {s.error}" for s in self.statuses(name) if s.error
            ]
            why = "; ".join(reasons) or "no version of it is wanted"
            raise invalid(f"load failed for model '{name}': {why}", field="model_name")

    def unload(self, name: str) -> None:
        """Unload a model's versions; `refresh` leaves them so until `load`.

        Raises:
            StatusError: INVALID_ARGUMENT; there is no such model.
        """
        with self._refreshing:
            with self._lock:
                versions = self._models.get(name)
                live = [number for number, record in (versions or {}).items() if record.state is State.AVAILABLE]
            if versions is None:
                raise invalid(
                    f"Model to be unloaded has not been served: '{name}'; {did_you_mean(name, self.models())}",
                    field="model_name",
                )
            self._unloaded.add(name)
            for version in live:
                self._retire(name, version)
            self._close_retired()


def _fingerprint(path: Path) -> object:
    """Tell one state of a folder's files from another."""
    try:
        files = sorted(path.rglob("*"))
        return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError:
        return None
