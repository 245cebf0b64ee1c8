r"""What is live: loads a new version before the old one goes, and lets no request lose its version.

START -> LOADING -> AVAILABLE -> UNLOADING -> END         a version's life, in TensorFlow Serving's words
                  \-> END with an error                        it could not be loaded; tried again a few times, and when its
                                                               files change

A live version whose files change is loaded anew, though versions should be immutable: a repository may be made afresh. One
that is wanted again before its last request returned it goes back from UNLOADING to AVAILABLE.

Where versions are loaded on first use (Loading.on_first_use), one that is wanted is *dormant*: it rests in START until a
request asks for it, answers that once it is loaded, and goes back to START where others need its memory.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from time import monotonic

from serving.choices import Choices
from serving.description import Description
from serving.engines.engine import Engine, EngineLoader
from serving.first_use import FirstUse
from serving.lease import DormantError, Lease
from serving.live_versions import Listener, LiveVersions
from serving.loader import Loader, Loading
from serving.memory_budget import MemoryUse, NoRoomError
from serving.model_ref import ModelRef
from serving.recent_gate import RecentGate
from serving.repository import ModelEntry, ModelSource, VersionPolicy
from serving.status import Code, StatusError, invalid
from serving.unloader import Unloader
from serving.upkeep import Upkeep
from serving.version_labels import LabelRules
from serving.version_record import State, VersionStatus
from zoo.errors import ZooError, did_you_mean

__all__ = ["Loading", "Manager", "State", "VersionStatus"]


class Manager:
    """Keeps the right versions live.

    `refresh`, `glance`, `reload`, `load`, `unload` and `close` load and unload; they may be called from any thread, one at a
    time goes through. What requests have loaded is loaded beside them, a model by one thread at a time. Everything else may
    be called from any thread at any time and never waits for a load.
    """

    def __init__(
        self,
        source: ModelSource,
        load_engine: EngineLoader,
        *,
        loading: Loading | None = None,
        label_rules: LabelRules | None = None,
        gate: RecentGate | None = None,
    ) -> None:
        """Prepare; nothing is loaded before `refresh`.

        Args:
            source: says what should be live.
            load_engine: what executes a version.
            loading: how versions are loaded and unloaded.
            label_rules: which labels may point at versions that do not answer.
            gate: whether a new version may take the place of the one that answers; None where it always may.
        """
        self._loading = loading = loading or Loading()
        self._source = source
        self._load_engine = load_engine
        self._versions = LiveVersions()
        self._unloader = Unloader(self._versions, threads=loading.unload_threads)
        self._loader = Loader(self._versions, self._unloader, load_engine, loading, gate)
        self._upkeep = Upkeep(
            self._versions, self._loader, label_rules or LabelRules(), on_first_use=loading.on_first_use
        )
        self._first_use = FirstUse(self._awaken, threads=loading.threads, most_waiting=loading.most_waiting)
        self._refreshing = threading.Lock()
        self._entries: Mapping[str, ModelEntry] = {}
        self._unloaded: set[str] = set()
        self._policies: dict[str, VersionPolicy] = {}
        """Of models whose policy a caller set, in place of the source's."""
        self._closed = False
        self._glances = 0

    def on_change(self, listener: Listener) -> None:
        """Have a function called, in the thread that changes it, whenever a version's state changed."""
        self._versions.on_change(listener)

    def refresh(self) -> None:
        """Look at what should be live now, load it, then unload what should not be. Raises OSError."""
        with self._refreshing:
            if not self._closed:
                self._refresh()

    def glance(self) -> None:
        """Do what `refresh` does, but look at the files of a version that answers at every tenth glance alone.

        To look at them is a system call a file, after each of which a thread waits for the interpreter, and so does the
        event loop in turn: done for all files every second, it would be the 99th percentile of what lone calls take.

        Raises:
            OSError: see `refresh`.
        """
        with self._refreshing:
            if not self._closed:
                self._glances += 1
                self._refresh(glance=self._glances)

    def reload(self, source: ModelSource) -> None:
        """Take what should be live from another source from now on; returns once all of it that loads is live.

        Models stay up while those of the new source load, and a model that both sources name keeps a version up throughout.

        Raises:
            StatusError: the first thing that could not be done; the others were. Or UNAVAILABLE: the manager is closed.
            OSError: the source cannot tell what should be live.
        """
        with self._refreshing:
            if self._closed:
                raise _shutting_down()
            self._source = source
            self._unloaded.clear()
            self._policies.clear()
            entries = self._refresh()
            faults = [fault for name in entries if (fault := self._upkeep.fault(name)) is not None]
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
            if self._closed or name not in entries or not _has_versions(entries[name]):
                raise StatusError(
                    Code.NOT_FOUND,
                    f"failed to load '{name}', failed to poll from model repository: {did_you_mean(name, entries)}",
                    field="model_name",
                )
            with self._upkeep.turn(name):
                self._unloaded.discard(name)
                self._versions.try_again(name)
                before = self._policies.pop(name, None)
                if policy is not None:
                    self._policies[name] = policy
                refusal = self._load(entries[name], policy)
                if refusal is not None:  # back to what it was
                    self._policies.pop(name, None)
                    if before is not None:
                        self._policies[name] = before
                    self._upkeep.obey(entries[name], self.policy(name))
            self._unloader.close_idle()
            if refusal is not None:
                raise refusal
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
            with self._upkeep.turn(name):
                self._loader.plan_no_retry(name)
                self._upkeep.retire(name)
            self._unloader.close_idle()

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
        return self._upkeep.found(name)

    def retry_in(self) -> float | None:
        """Return the seconds until a version should be tried again, which `refresh` does; None where none should."""
        retry_at = self._loader.retry_at
        return None if retry_at is None else max(0.0, retry_at - monotonic())

    def load_no_more(self) -> None:
        """Have loads under way be the last, for `close` to wait for no others. At once, from any thread."""
        self._loader.stopped = True

    def close(self, timeout: float = -1) -> bool:
        """Unload everything, for good. Call when no request is running.

        Args:
            timeout: seconds to wait for a load that is under way; -1 for as long as it takes.

        Returns:
            Whether it could be done: False where a load did not end in time.
        """
        self._first_use.close()
        until = None if timeout < 0 else monotonic() + timeout
        if not self._refreshing.acquire(timeout=timeout):
            return False
        try:
            self._closed = True
            done = True
            for name in self._versions.models():
                with self._upkeep.turn(name, until) as has_it:
                    done &= has_it
                    if has_it:
                        self._upkeep.retire(name)
            self._unloader.close_idle()
            self._unloader.close()
            self._loader.close()
        finally:
            self._refreshing.release()
        return done

    def lease(self, model: ModelRef) -> Lease:
        """Give a servable, the newest live version or a certain one, that stays loaded until the lease is closed.

        Raises:
            DormantError: the version is loaded on its first use; see `lease_loaded`.
            StatusError: NOT_FOUND; no such model or version answers. INVALID_ARGUMENT; the model has no such label.
        """
        return self._versions.lease(model)

    def lease_loaded(self, model: ModelRef) -> "Future[Lease]":
        """Have a version loaded that is loaded on its first use, and lease it; see FirstUse.

        The future raises StatusError as `lease` does, or RESOURCE_EXHAUSTED: there is no room in the memory.
        """
        return self._first_use.lease(self._versions.resolve(model))

    def describe(self, model: ModelRef) -> Description:
        """Tell what a version takes and gives; of one that is dormant, by its files. Raises StatusError as `lease` does."""
        try:
            return Description.of(self._versions.look(model))
        except DormantError as error:
            dormant = error.record
        try:
            return Description.read(dormant.name, dormant.version, dormant.path, self._load_engine)
        except (OSError, ZooError) as error:
            raise StatusError(
                Code.NOT_FOUND,
                f"Servable not found for request: {model}; version {dormant.version} of it cannot be read: {error}",
            ) from None

    def memory_use(self) -> MemoryUse | None:
        """Return how much of the memory budget is held; None where there is none."""
        return None if self._loader.budget is None else self._loader.budget.use()

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
        """Return whether each known model has a version that answers: a live one, or one that is loaded on its first use."""
        return self._versions.models()

    def engines(self) -> dict[tuple[str, int], Engine]:
        """Return what executes loaded versions, by model and number."""
        return self._versions.engines()

    def labels(self, name: str) -> dict[str, int]:
        """Return the versions of a model by their labels."""
        return self._versions.labels(name)

    def _refresh(self, *, glance: int | None = None) -> Mapping[str, ModelEntry]:
        entries = self._entries = self._source.models()
        is_complete = self._source.is_complete
        gone = [name for name in self._versions.models() if name not in entries]
        for name in gone if is_complete else ():
            self._versions.forget_model(name)
        wanted = [entry for name, entry in entries.items() if name not in self._unloaded]
        self._loader.for_each(lambda entry: self._upkeep.obey(entry, self.policy(entry.name), glance=glance), wanted)
        for name in gone:
            if is_complete:
                self._upkeep.take_down(name)
            else:
                self._upkeep.miss(name)
        self._unloader.close_idle()
        return entries

    def _load(self, entry: ModelEntry, policy: VersionPolicy | None) -> StatusError | None:
        """Load a model whose policy was set. Returns why it cannot be done, in which case it is to be undone."""
        name = entry.name
        try:
            self._upkeep.obey(entry, self.policy(name), load_by=monotonic() + self._loading.room_seconds)
        except NoRoomError as error:
            return error
        answering = self._versions.answering(name)
        if policy is None or (answering and answering.issuperset(policy.specific or ())):
            return None
        fault = self._upkeep.fault(name)
        why = "no version of it is wanted" if fault is None else fault.message
        return invalid(f"load failed for model '{name}': {why}", field="model_name")

    def _awaken(self, model: ModelRef, since: float) -> Lease:
        if self._closed:
            raise _shutting_down()
        return self._upkeep.awaken(model, room_by=since + self._loading.room_seconds)


def _has_versions(entry: ModelEntry) -> bool:
    try:
        return bool(entry.versions())
    except (OSError, StatusError):
        return False


def _shutting_down() -> StatusError:
    return StatusError(Code.UNAVAILABLE, "the server is shutting down")
