"""The versions there are and which of them answer: what requests are led by."""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping

from serving.engines.engine import Engine
from serving.model_ref import ModelRef
from serving.servable import Servable
from serving.status import Code, StatusError, invalid
from serving.version_labels import LabelRules, move_labels
from serving.version_record import State, VersionRecord, VersionStatus
from zoo.errors import did_you_mean

Listener = Callable[[], None]


class LiveVersions:
    """Tables behind one lock, which nobody holds while loading or computing. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, dict[int, VersionRecord]] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._replaced: list[VersionRecord] = []
        self._listeners: list[Listener] = []
        self._reasons: dict[str, str] = {}

    def on_change(self, listener: Listener) -> None:
        """Have a function called, in the thread that changes it, whenever a version's state changed."""
        self._listeners.append(listener)

    @contextlib.contextmanager
    def lease(self, model: ModelRef) -> Iterator[Servable]:
        """Give a servable that stays loaded until the block ends. Raises StatusError; see Manager.lease."""
        with self._lock:
            record = self._find(self._resolve(model))
            record.leases += 1
            servable = record.servable
        assert servable is not None  # noqa: S101 - AVAILABLE means that it is there
        try:
            yield servable
        finally:
            with self._lock:
                record.leases -= 1

    def resolve(self, model: ModelRef) -> ModelRef:
        """Return the same with a version's number in place of its label. Raises StatusError on an unknown label."""
        with self._lock:
            return self._resolve(model)

    def statuses(self, name: str) -> list[VersionStatus]:
        """Return the states of a model's versions, the newest first; empty for an unknown model."""
        with self._lock:
            versions = self._models.get(name, {})
            return [VersionStatus(v, r.state, r.error) for v, r in sorted(versions.items(), reverse=True)]

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
        """Return whether each known model has a live version."""
        with self._lock:
            return {name: bool(_live(versions)) for name, versions in sorted(self._models.items())}

    def labels(self, name: str) -> dict[str, int]:
        """Return the versions of a model by their labels."""
        with self._lock:
            return dict(self._labels.get(name, {}))

    def record(self, name: str, version: int, fresh: VersionRecord) -> VersionRecord:
        """Return what is known of a version; of one that is new, `fresh` from now on."""
        with self._lock:
            return self._models.setdefault(name, {}).setdefault(version, fresh)

    def live(self, name: str) -> set[int]:
        """Return the numbers of a model's versions that answer."""
        with self._lock:
            return set(_live(self._models.get(name, {})))

    def keep_model(self, name: str, versions: Collection[int]) -> None:
        """Know a model, and forget those of its versions that have ended and are not among these."""
        with self._lock:
            known = self._models.setdefault(name, {})
            for version in [v for v, record in known.items() if v not in versions and record.state is State.END]:
                del known[version]

    def forget_model(self, name: str) -> None:
        """Forget a model, if all of its versions have ended."""
        with self._lock:
            if any(record.state is not State.END for record in self._models.get(name, {}).values()):
                return
            for table in (self._models, self._labels, self._reasons):
                table.pop(name, None)
        self._tell_listeners()

    def try_again(self, name: str) -> None:
        """Forget what the files of a model's versions were that do not answer, so that they are loaded again."""
        with self._lock:
            for record in self._models.get(name, {}).values():
                if record.state is not State.AVAILABLE or record.stale:
                    record.fingerprint = None

    def explain(self, name: str, reason: str) -> None:
        """Have who asks for a model without live versions told why there are none."""
        with self._lock:
            self._reasons[name] = reason

    def move_labels(
        self, name: str, wanted: Mapping[str, int], lasting: Collection[int], rules: LabelRules
    ) -> StatusError | None:
        """Let labels point at versions, of which those in `lasting` answer. Returns why the first of them cannot."""
        with self._lock:
            moved, fault = move_labels(name, wanted, self._labels.get(name, {}), lasting, rules)
            self._labels[name] = moved
        return fault

    def set_state(
        self, record: VersionRecord, state: State, *, error: str = "", servable: Servable | None = None
    ) -> None:
        """Change what a version is."""
        with self._lock:
            record.state, record.error, record.servable = state, error, servable
        self._tell_listeners()

    def replace(self, name: str, version: int, fresh: VersionRecord) -> None:
        """Put a record in another's place, which is closed once its last lease was returned."""
        with self._lock:
            old = self._models[name][version]
            old.state = State.UNLOADING
            self._replaced.append(old)
            self._models[name][version] = fresh
        self._tell_listeners()

    def revive(self, record: VersionRecord) -> None:
        """Let a version that is being unloaded answer again."""
        with self._lock:
            record.state = State.AVAILABLE
        self._tell_listeners()

    def retire(self, name: str, *, keep: Collection[int] = ()) -> list[int]:
        """Give no more leases on other versions. Returns them; each is closed once its last lease was returned."""
        with self._lock:
            retired = {v: r for v, r in _live(self._models.get(name, {})).items() if v not in keep}
            for record in retired.values():
                record.state = State.UNLOADING
        if retired:
            self._tell_listeners()
        return sorted(retired)

    def take_idle(self) -> list[VersionRecord]:
        """Return the versions that are to be closed and that no request holds."""
        with self._lock:
            known = [record for versions in self._models.values() for record in versions.values()]
            idle = [r for r in (*known, *self._replaced) if r.state is State.UNLOADING and r.leases == 0]
            self._replaced = [record for record in self._replaced if record not in idle]
        return idle

    def _resolve(self, model: ModelRef) -> ModelRef:
        if model.label is None:
            return model
        labels = self._labels.get(model.name, {})
        if model.label not in labels:
            hint = did_you_mean(model.label, labels) if labels else f"model {model.name!r} has no labels"
            raise invalid(
                f"Unrecognized servable version label: {model.label}; {hint}", field="model_spec.version_label"
            )
        return ModelRef(model.name, labels[model.label])

    def _find(self, model: ModelRef) -> VersionRecord:
        live = _live(self._models.get(model.name, {}))
        wanted = max(live, default=None) if model.version is None else model.version
        if wanted in live:
            return live[wanted]
        raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {model}; {self._why_not(model.name, live)}")

    def _why_not(self, name: str, live: Mapping[int, VersionRecord]) -> str:
        if live:
            numbers = ", ".join(map(str, sorted(live)))
            return f"versions being served: {numbers} (--versions all serves every version)"
        if name not in self._models:
            return f"unknown model: {did_you_mean(name, self._models)}"
        versions = sorted(self._models[name].items(), reverse=True)
        reason = next((record.error for _, record in versions if record.error), self._reasons.get(name, ""))
        return "no version of it is loaded" + (f": {reason}" if reason else "")

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()


def _live(versions: Mapping[int, VersionRecord]) -> dict[int, VersionRecord]:
    return {number: record for number, record in versions.items() if record.state is State.AVAILABLE}
