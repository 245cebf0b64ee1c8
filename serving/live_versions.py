"""The versions there are and which of them answer: what requests are led by."""

import contextlib
import math
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from time import monotonic

from serving.engines.engine import Engine
from serving.lease import Lease
from serving.model_ref import ModelRef
from serving.servable import Servable
from serving.status import StatusError
from serving.version_choice import answering, find_live, resolve_label
from serving.version_labels import LabelRules, move_labels
from serving.version_record import State, VersionRecord, VersionStatus

Listener = Callable[[], None]


class LiveVersions:
    """Tables behind one lock, which nobody holds while loading or computing. For any thread. See Lender."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self._returns = 0
        self._awaited = 0
        """Who waits for it."""
        self._models: dict[str, dict[int, VersionRecord]] = {}
        self._there: dict[str, Collection[int]] = {}
        """The versions that models have folders of."""
        self._labels: dict[str, dict[str, int]] = {}
        self._found: dict[ModelRef, VersionRecord] = {}
        """What requests were for, since something changed last."""
        self._replaced: list[VersionRecord] = []
        self._pinned: set[VersionRecord] = set()
        self._listeners: list[Listener] = []
        self._idle_listeners: list[Listener] = []
        self._reasons: dict[str, str] = {}

    def on_change(self, listener: Listener) -> None:
        """Have a function called, in the thread that changes it, whenever a version's state changed."""
        self._listeners.append(listener)

    def on_idle(self, listener: Listener) -> None:
        """Have a function called, which must not wait, when nobody holds a version any more that is to be closed."""
        self._idle_listeners.append(listener)

    def lease(self, model: ModelRef) -> Lease:
        """Give a servable that stays loaded until the lease is closed. Raises StatusError; see Manager.lease."""
        with self._lock:
            record = self._found.get(model)
            if record is None:
                record = self._found[model] = self._find_live(model)
            return self._lend(record)

    def look(self, model: ModelRef) -> Servable:
        """Return a servable, which may be closed at any time. Raises StatusError; see Manager.lease."""
        with self._lock:
            servable = self._find_live(model).servable
        assert servable is not None  # noqa: S101 - AVAILABLE means that it is there
        return servable

    def lend(self, record: VersionRecord) -> Lease:
        """See Lender."""
        with self._lock:
            return self._lend(record)

    def give_back(self, record: VersionRecord) -> None:
        """See Lender."""
        with self._lock:
            record.leases -= 1
            record.used = monotonic()
            is_idle = _is_idle(record)
            if not record.leases:
                self._returns += 1
                if self._awaited:  # seldom, and this is done for every request
                    self._returned.notify_all()
        for listener in self._idle_listeners if is_idle else ():
            listener()

    @property
    def returns(self) -> int:
        """How often it happened that nobody held a version any more."""
        return self._returns

    def wait_for_return(self, seen: int, until: float) -> bool:
        """Wait until `returns` is another number, or the clock says `until`. Returns whether it is."""
        with self._lock:
            self._awaited += 1
            try:
                return self._returned.wait_for(lambda: self._returns != seen, max(0.0, until - monotonic()))
            finally:
                self._awaited -= 1

    @contextlib.contextmanager
    def pinned(self, record: VersionRecord) -> Iterator[None]:
        """Have a version not evicted within the block, though nobody holds it yet."""
        with self._lock:
            self._pinned.add(record)
        try:
            yield
        finally:
            with self._lock:
                self._pinned.discard(record)

    def resolve(self, model: ModelRef) -> ModelRef:
        """Return the same with a version's number in place of its label. Raises StatusError on an unknown label."""
        with self._lock:
            return resolve_label(model, self._labels.get(model.name, {}))

    def statuses(self, name: str) -> list[VersionStatus]:
        """Return the states of a model's versions, the newest first; empty for an unknown model."""
        with self._lock:
            versions = self._models.get(name, {})
            return [VersionStatus(v, r.state, r.error, r.answers) for v, r in sorted(versions.items(), reverse=True)]

    def engines(self) -> dict[tuple[str, int], Engine]:
        """Return what executes loaded versions, by model and number."""
        with self._lock:
            return {
                (name, version): record.servable.engine
                for name, versions in self._models.items()
                for version, record in versions.items()
                if record.servable is not None
            }

    def models(self) -> dict[str, bool]:
        """Return whether each known model has a version that answers."""
        with self._lock:
            return {name: bool(answering(versions)) for name, versions in sorted(self._models.items())}

    def labels(self, name: str) -> dict[str, int]:
        """Return the versions of a model by their labels."""
        with self._lock:
            return dict(self._labels.get(name, {}))

    def record(self, name: str, version: int, path: Path) -> VersionRecord:
        """Return what is known of a version; of one that is new, a record from now on."""
        with self._changing():
            versions = self._models.setdefault(name, {})
            if version not in versions:
                versions[version] = VersionRecord(name, version, path)
            return versions[version]

    def answering(self, name: str) -> set[int]:
        """Return the numbers of a model's versions that answer: those that are live, and those that are dormant."""
        with self._lock:
            return set(answering(self._models.get(name, {})))

    def answers_from(self, name: str, version: int, path: Path) -> bool:
        """Tell whether a version answers, made of the files in a folder, which nothing was found wrong with since."""
        with self._lock:
            record = self._models.get(name, {}).get(version)
            if record is None or record.path != path or record.stale:
                return False
            return record.state is State.AVAILABLE or (record.dormant and record.state is State.START)

    def live(self, name: str) -> dict[int, float]:
        """Return when each of a model's live versions was last used, by number."""
        with self._lock:
            versions = self._models.get(name, {})
            return {number: each.used for number, each in versions.items() if each.state is State.AVAILABLE}

    def keep_model(self, name: str, versions: Collection[int]) -> None:
        """Know a model, and forget those of its versions that have ended, or are dormant, and are not among these."""
        with self._changing():
            known = self._models.setdefault(name, {})
            self._there[name] = frozenset(versions)
            for version, record in known.items():
                record.is_there = version in versions
                record.dormant &= record.is_there
            over = (State.START, State.END)
            for version in [v for v, r in known.items() if not r.is_there and r.state in over]:
                del known[version]

    def forget_model(self, name: str) -> None:
        """Forget a model, if all of its versions have ended."""
        with self._changing():
            if any(record.state is not State.END for record in self._models.get(name, {}).values()):
                return
            for table in (self._models, self._there, self._labels, self._reasons):
                table.pop(name, None)
        self._tell_listeners()

    def try_again(self, name: str) -> None:
        """Forget what the files of a model's versions were that do not answer, so that they are loaded again."""
        with self._lock:
            for record in self._models.get(name, {}).values():
                if record.state is not State.AVAILABLE or record.stale:
                    record.fingerprint = None

    def explain(self, name: str, reason: str) -> None:
        """Have who asks for a model without versions that answer told why there are none."""
        with self._lock:
            self._reasons[name] = reason

    def move_labels(
        self, name: str, wanted: Mapping[str, int], lasting: Collection[int], rules: LabelRules
    ) -> StatusError | None:
        """Let labels point at versions, of which those in `lasting` answer. Returns why the first of them cannot."""
        with self._changing():
            moved, fault = move_labels(name, wanted, self._labels.get(name, {}), lasting, rules)
            self._labels[name] = moved
        return fault

    def begin_load(self, record: VersionRecord) -> None:
        """Let a version be one that is being loaded."""
        self._set(record, State.LOADING)

    def go_live(self, record: VersionRecord, servable: Servable, *, used: float | None = None) -> None:
        """Let a version that was loaded answer; `used` is when the one was last used that it replaces, if it does."""
        with self._lock:
            record.used = monotonic() if used is None else used
        self._set(record, State.AVAILABLE, servable=servable)

    def fail(self, record: VersionRecord, error: str) -> None:
        """Let a version be one that could not be loaded."""
        with self._changing():
            record.dormant = False
        self._set(record, State.END, error=error)

    def rest(self, record: VersionRecord) -> None:
        """Let a version that is not loaded be dormant."""
        with self._changing():
            record.dormant = True
        self._set(record, State.START)

    def replace(self, old: VersionRecord, fresh: VersionRecord) -> None:
        """Put a record in another's place, which is closed once its last lease was returned."""
        with self._changing():
            old.state, old.dormant = State.UNLOADING, False
            self._replaced.append(old)
            self._models[old.name][old.version] = fresh
        self._tell_listeners()

    def revive(self, record: VersionRecord) -> bool:
        """Let a version that is being unloaded answer again. Returns whether it can: it is not closed yet."""
        with self._changing():
            if record.servable is None:
                return False
            record.state, record.dormant = State.AVAILABLE, False
        self._tell_listeners()
        return True

    def retire(self, name: str, *, keep: Collection[int] = ()) -> list[int]:
        """Let other versions answer no more. Returns those that were live, each to be closed once nobody holds it."""
        retired, changed = [], False
        with self._changing():
            for number, record in self._models.get(name, {}).items():
                if number in keep or not (record.answers or record.state is State.START):
                    continue
                changed, record.dormant = True, False
                if record.state is State.AVAILABLE:
                    record.state = State.UNLOADING
                    retired.append(number)
                elif record.state is State.START:
                    record.state = State.END
        if changed:
            self._tell_listeners()
        return sorted(retired)

    def evict(
        self, needed: int, sizes: Mapping[VersionRecord, int], *, unused_since: float = math.inf
    ) -> list[VersionRecord]:
        """Let versions go that nobody holds, those that were not used for longest: as many as it takes. They become dormant.

        Args:
            needed: bytes.
            sizes: of the versions.
            unused_since: only those that were not used since, in seconds of `time.monotonic`.

        Returns:
            What is to be closed; nothing, and nothing is, where all of them are not enough.
        """
        with self._changing():
            known = [record for versions in self._models.values() for record in versions.values()]
            chosen = []
            for record in sorted(filter(self._may_go, known), key=lambda record: record.used):
                if needed <= 0 or record.used >= unused_since:
                    break
                chosen.append(record)
                needed -= sizes.get(record, 0)
            if needed > 0:
                return []
            for record in chosen:
                record.state, record.dormant = State.UNLOADING, True
        self._tell_listeners()
        return chosen

    def idle(self) -> list[VersionRecord]:
        """Return the versions that are to be closed and that no request holds."""
        with self._lock:
            known = [record for versions in self._models.values() for record in versions.values()]
            return [record for record in (*known, *self._replaced) if _is_idle(record)]

    def take(self, record: VersionRecord) -> Servable | None:
        """Return a servable for good, to be closed; None where it was taken before, or is wanted again."""
        with self._changing():
            if not _is_idle(record):
                return None
            servable, record.servable = record.servable, None
            return servable

    def end(self, record: VersionRecord) -> None:
        """Let a version be one that was closed: it has ended, or is dormant where it is to be loaded again."""
        with self._changing():
            record.state = State.START if record.dormant else State.END
            if record in self._replaced:
                self._replaced.remove(record)
        self._tell_listeners()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock, and change within the block what requests may be for."""
        with self._lock:
            self._found.clear()
            yield

    def _may_go(self, record: VersionRecord) -> bool:
        is_idle = record.state is State.AVAILABLE and not record.leases and record not in self._pinned
        return is_idle and record.is_there  # or it could not be loaded again

    def _set(self, record: VersionRecord, state: State, *, error: str = "", servable: Servable | None = None) -> None:
        with self._changing():
            record.state, record.error, record.servable = state, error, servable
        self._tell_listeners()

    def _lend(self, record: VersionRecord) -> Lease:
        assert record.servable is not None  # noqa: S101 - it is live, or somebody holds it
        record.leases += 1
        return Lease(record.servable, record, self)

    def _find_live(self, model: ModelRef) -> VersionRecord:
        model = resolve_label(model, self._labels.get(model.name, {}))
        return find_live(model, self._models, there=self._there, reasons=self._reasons)

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()


def _is_idle(record: VersionRecord) -> bool:
    return record.state is State.UNLOADING and record.leases == 0 and record.servable is not None
