r"""What is live: loads a new version before the old one goes, and lets no request lose its version.

START -> LOADING -> AVAILABLE -> UNLOADING -> END         a version's life, in TensorFlow Serving's words
                  \-> END with an error                        it could not be loaded; tried again a few times, and when its
                                                               files change

A live version whose files change is loaded anew, though versions should be immutable: a repository may be made afresh. One
that is wanted again before its last request returned it goes back from UNLOADING to AVAILABLE.
"""

import logging
import threading
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic

from serving.choices import Choices
from serving.engines.engine import EngineLoader
from serving.live_versions import Listener, LiveVersions
from serving.loader import Loader, Loading
from serving.model_ref import ModelRef
from serving.repository import ModelEntry, ModelSource, VersionPolicy
from serving.servable import Servable
from serving.status import Code, StatusError, invalid
from serving.version_labels import LabelRules
from serving.version_record import State, VersionStatus
from zoo.errors import did_you_mean

__all__ = ["Loading", "Manager", "State", "VersionStatus"]

logger = logging.getLogger(__name__)


class Manager:
    """Keeps the right versions live.

    `refresh` and `reload` do all loading and unloading; they may be called from any thread, one at a time goes through.
    Everything else may be called from any thread at any time and never waits for a load.
    """

    def __init__(
        self,
        source: ModelSource,
        load_engine: EngineLoader,
        *,
        loading: Loading | None = None,
        label_rules: LabelRules | None = None,
    ) -> None:
        """Prepare; nothing is loaded before `refresh`.

        Args:
            source: says what should be live.
            load_engine: what executes a version.
            loading: how versions are loaded and unloaded.
            label_rules: which labels may point at versions that do not answer.
        """
        self._source = source
        self._label_rules = label_rules or LabelRules()
        self._versions = LiveVersions()
        self._loader = Loader(self._versions, load_engine, loading or Loading())
        self._refreshing = threading.Lock()
        self._entries: Mapping[str, ModelEntry] = {}
        self._faults: dict[str, StatusError] = {}
        self._unloaded: set[str] = set()
        self._policies: dict[str, VersionPolicy] = {}
        """Of models whose policy a caller set, in place of the source's."""
        self._found: dict[str, tuple[int, ...]] = {}
        self._closed = False

    def on_change(self, listener: Listener) -> None:
        """Have a function called, in the thread that changes it, whenever a version's state changed."""
        self._versions.on_change(listener)

    def refresh(self) -> None:
        """Look at what should be live now, load it, then unload what should not be. Raises OSError."""
        with self._refreshing:
            if not self._closed:
                self._refresh()

    def reload(self, source: ModelSource) -> None:
        """Take what should be live from another source from now on; returns once all of it that loads is live.

        Models stay up while those of the new source load, and a model that both sources name keeps a version up throughout.

        Raises:
            StatusError: the first thing that could not be done; the others were. Or UNAVAILABLE: the manager is closed.
            OSError: the source cannot tell what should be live.
        """
        with self._refreshing:
            if self._closed:
                raise StatusError(Code.UNAVAILABLE, "the server is shutting down")
            self._source = source
            self._unloaded.clear()
            self._policies.clear()
            entries = self._refresh()
            faults = [self._faults[name] for name in entries if name in self._faults]
        if faults:
            raise faults[0]

    def load(self, name: str, policy: VersionPolicy | None = None) -> None:
        """Load a model, or what of it has changed, also one that was unloaded or could not be loaded before.

        Args:
            name: the model's.
            policy: which of its versions are to be live from now on, until it is loaded without one, or `reload`; None for
                what the source says.

        Raises:
            StatusError: NOT_FOUND, there is no such model; INVALID_ARGUMENT, no version of it can be loaded, or none that
                the policy wants: what was live stays so then, and the policy what it was.
        """
        with self._refreshing:
            entries = self._entries = self._source.models()
            if self._closed or name not in entries or not _look(entries[name])[0]:
                raise StatusError(
                    Code.NOT_FOUND,
                    f"failed to load '{name}', failed to poll from model repository: {did_you_mean(name, entries)}",
                    field="model_name",
                )
            self._unloaded.discard(name)
            self._versions.try_again(name)
            before = self._policies.pop(name, None)
            if policy is not None:
                self._policies[name] = policy
            self._loader.for_each(self._refresh_model, [entries[name]])
            live = self._versions.live(name)
            fault = self._faults.get(name)
            refused = policy is not None and (not live or not live.issuperset(policy.specific or ()))
            if refused:  # back to what it was
                self._policies.pop(name)
                if before is not None:
                    self._policies[name] = before
                self._loader.for_each(self._refresh_model, [entries[name]])
            self._loader.close_idle()
            if refused:
                why = "no version of it is wanted" if fault is None else fault.message
                raise invalid(f"load failed for model '{name}': {why}", field="model_name")
        if not self.models()[name]:
            reasons = [
                f"version {s.version} is at UNAVAILABLE state: {s.error}" for s in self.statuses(name) if s.error
            ]
            why = "; ".join(reasons) or "no version of it is wanted"
            raise invalid(f"load failed for model '{name}': {why}", field="model_name")

    def unload(self, name: str) -> None:
        """Unload a model's versions; `refresh` leaves them so until `load`, or until `reload` names it.

        Raises:
            StatusError: INVALID_ARGUMENT; there is no such model.
        """
        with self._refreshing:
            known = self._versions.models()
            if name not in known:
                raise invalid(
                    f"Model to be unloaded has not been served: '{name}'; {did_you_mean(name, known)}",
                    field="model_name",
                )
            self._unloaded.add(name)
            self._loader.plan_no_retry(name)
            self._retire(name)
            self._loader.close_idle()

    def choices(self) -> Choices:
        """Return what it was told to serve; waits for a load that is under way."""
        with self._refreshing:
            return Choices(self._source, frozenset(self._unloaded), dict(self._policies))

    def adopt(self, choices: Choices) -> None:
        """Be told to serve what another manager was; `refresh` loads it."""
        with self._refreshing:
            self._source = choices.source
            self._unloaded = set(choices.unloaded)
            self._policies = dict(choices.policies)
            for name in self._unloaded:
                self._versions.keep_model(name, ())  # known, though nothing of it is live

    def policy(self, name: str) -> VersionPolicy:
        """Return which versions of a model should be live; the default of one that is not wanted."""
        entry = self._entries.get(name)
        return self._policies.get(name, VersionPolicy() if entry is None else entry.policy)

    def recorded_share(self, name: str) -> float | None:
        """Return the share of a model's calls that its config wants recorded; None where it does not say."""
        entry = self._entries.get(name)
        return None if entry is None or entry.request_logging is None else entry.request_logging.sampling_rate

    def found(self, name: str) -> tuple[int, ...]:
        """Return the versions that there were when a model's files were last looked at, served or not."""
        return self._found.get(name, ())

    def retry_in(self) -> float | None:
        """Return the seconds until a version should be tried again, which `refresh` does; None where none should."""
        retry_at = self._loader.retry_at
        return None if retry_at is None else max(0.0, retry_at - monotonic())

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
            for name in self._versions.models():
                self._retire(name)
            self._loader.close_idle()
            self._loader.close()
        finally:
            self._refreshing.release()
        return True

    def lease(self, model: ModelRef) -> AbstractContextManager[Servable]:
        """Give a servable, the newest live version or a certain one, that stays loaded until the block ends.

        Raises:
            StatusError: NOT_FOUND; no such model or version is live. INVALID_ARGUMENT; the model has no such label.
        """
        return self._versions.lease(model)

    def resolve(self, model: ModelRef) -> ModelRef:
        """Return the same with a version's number in place of its label.

        Raises:
            StatusError: INVALID_ARGUMENT; the model has no such label.
        """
        return self._versions.resolve(model)

    def statuses(self, name: str) -> list[VersionStatus]:
        """Return the states of a model's versions, the newest first; empty for an unknown model."""
        return self._versions.statuses(name)

    def models(self) -> dict[str, bool]:
        """Return whether each known model has a live version."""
        return self._versions.models()

    def labels(self, name: str) -> dict[str, int]:
        """Return the versions of a model by their labels."""
        return self._versions.labels(name)

    def _refresh(self) -> Mapping[str, ModelEntry]:
        entries = self._entries = self._source.models()
        known = self._versions.models() if self._source.is_complete else {}
        left = [name for name in known if name not in entries]
        for name in left:
            self._versions.forget_model(name)
        wanted = [entry for name, entry in entries.items() if name not in self._unloaded]
        self._loader.for_each(self._refresh_model, wanted)
        for name in left:
            self._versions.move_labels(name, {}, (), self._label_rules)
            self._loader.plan_no_retry(name)
            self._retire(name)
            self._faults.pop(name, None)
        self._loader.close_idle()
        return entries

    def _refresh_model(self, entry: ModelEntry) -> None:
        """Make one model what its entry says; what is up stays up until something else of the model is."""
        name = entry.name
        self._loader.plan_no_retry(name)
        found, fault = _look(entry)
        self._found[name] = tuple(sorted(found))
        self._versions.keep_model(name, found)
        policy = self._policies.get(name, entry.policy)
        candidates = policy.candidates(found)
        limit = policy.limit(len(candidates))
        keep: set[int] = set()
        for version in candidates:
            if len(keep) >= limit:
                break
            error = self._loader.ensure_live(name, version, found[version])
            if error is not None:
                fault = fault or _not_available(name, version, error)
            if error is None or version in self._versions.live(name):
                keep.add(version)
        if not keep:
            fault = fault or _nothing_there(entry, policy)
        lasting = keep or self._versions.live(name)
        wrong = self._versions.move_labels(name, entry.labels, lasting, self._label_rules)
        self._note(name, fault or wrong)
        if keep:
            self._retire(name, keep=keep)

    def _retire(self, name: str, *, keep: Collection[int] = ()) -> None:
        for version in self._versions.retire(name, keep=keep):
            logger.info("unloading %s version %d", name, version)

    def _note(self, name: str, fault: StatusError | None) -> None:
        """Remember what is wrong with a model, and log it when it is new."""
        before = self._faults.pop(name, None)
        self._versions.explain(name, "" if fault is None else fault.message)
        if fault is None:
            return
        self._faults[name] = fault
        was_logged = fault.code is Code.UNKNOWN  # by the loader
        if not was_logged and (before is None or before.message != fault.message):
            logger.error("model %s: %s", name, fault.message)


def _look(entry: ModelEntry) -> tuple[dict[int, Path], StatusError | None]:
    """Return the versions that there are of a model, and why there are none where they cannot be seen."""
    try:
        return entry.versions(), None
    except StatusError as error:
        return {}, error
    except OSError as error:
        reason = error.strerror or str(error)
        return {}, invalid(f"base path {entry.base_path} of model {entry.name} cannot be read: {reason}")


def _not_available(name: str, version: int, error: str) -> StatusError:
    what = f"{{{{name: {name} version: {version}}} due to error: {error}}}"
    return StatusError(Code.UNKNOWN, f"1 model(s) did not become available: {what}")


def _nothing_there(entry: ModelEntry, policy: VersionPolicy) -> StatusError:
    wanted = "a numerical version path"
    if policy.specific is not None:
        numbers = ", ".join(map(str, sorted(policy.specific)))
        wanted = f"any of the versions {numbers}, which its policy names,"
    return StatusError(
        Code.NOT_FOUND, f"Unable to find {wanted} for servable {entry.name} at: {entry.base_path}", field="base_path"
    )
