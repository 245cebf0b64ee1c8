"""Makes each model what its entry says: which of its versions are live, which wait for their first use, and which go."""

import contextlib
import logging
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from time import monotonic
from zlib import crc32

from serving.lease import DormantError, Lease
from serving.live_versions import LiveVersions
from serving.loader import Loader
from serving.memory_budget import NoRoomError
from serving.model_ref import ModelRef
from serving.repository import ModelEntry, VersionPolicy
from serving.status import Code, StatusError, invalid
from serving.version_labels import LabelRules

logger = logging.getLogger(__name__)

_GLANCES = 10
"""Of so many glances, one is at the files of a version that answers; at each, it is the turn of other versions."""


class Upkeep:
    """Deals with one model at a time per thread; `turn` sees to it that no two threads deal with the same.

    State: per model a lock, its entry and policy as they were last obeyed, its files, and what is wrong with it; each entry
    of these tables belongs to who has the model's turn.
    """

    def __init__(
        self, versions: LiveVersions, loader: Loader, label_rules: LabelRules, *, on_first_use: bool = False
    ) -> None:
        """Prepare.

        Args:
            versions: those that there are.
            loader: makes them live.
            label_rules: which labels may point at versions that do not answer.
            on_first_use: whether versions are loaded when they are asked for.
        """
        self._versions = versions
        self._loader = loader
        self._label_rules = label_rules
        self._on_first_use = on_first_use
        self._turns: dict[str, threading.RLock] = {}
        self._obeyed: dict[str, tuple[ModelEntry, VersionPolicy]] = {}
        self._found: dict[str, tuple[int, ...]] = {}
        self._faults: dict[str, StatusError] = {}

    @contextlib.contextmanager
    def turn(self, name: str, until: float | None = None) -> Iterator[bool]:
        """Have a model to oneself within the block.

        Args:
            name: the model's.
            until: when to give up, in seconds of `time.monotonic`; None for never.

        Yields:
            Whether one has it.
        """
        lock = self._turns.setdefault(name, threading.RLock())
        has_it = lock.acquire(timeout=-1 if until is None else max(0.0, until - monotonic()))
        try:
            yield has_it
        finally:
            if has_it:
                lock.release()

    def fault(self, name: str) -> StatusError | None:
        """Return what is wrong with a model."""
        return self._faults.get(name)

    def found(self, name: str) -> tuple[int, ...]:
        """Return the versions that there were when a model's files were last looked at, served or not."""
        return self._found.get(name, ())

    def obey(
        self, entry: ModelEntry, policy: VersionPolicy, *, load_by: float | None = None, glance: int | None = None
    ) -> None:
        """Make a model what its entry says; what is up stays up until something else of the model is.

        Where versions are loaded on first use, the one that answers who names none is loaded now if the one before it is
        live, or if `load_by`; as long as there is room.

        Args:
            entry: of the model.
            policy: which versions, whatever the entry says.
            load_by: given, the version that answers who names none is loaded in any case, and room for it waited for until
                then, in seconds of `time.monotonic`.
            glance: which of many glances this is: only some look at the files of what answers. None for a thorough look.

        Raises:
            NoRoomError: with `load_by`; the model is to be made what it was by another call.
        """
        with self.turn(entry.name):
            self._obey(entry, policy, load_by=load_by, glance=glance)

    def awaken(self, model: ModelRef, *, room_by: float) -> Lease:
        """Load what a request is for, if need be, and lease it.

        Args:
            model: what the request names, no label.
            room_by: how long to wait for room, in seconds of `time.monotonic`.

        Raises:
            NoRoomError: there was none by then.
            StatusError: it cannot be had; see Manager.lease.
        """
        with self.turn(model.name):
            while True:
                try:
                    return self._versions.lease(model)
                except DormantError as error:
                    dormant = error.record
                with self._versions.pinned(dormant):
                    name, version, path = dormant.name, dormant.version, dormant.path
                    if self._loader.ensure_live(name, version, path, room_by=room_by) is None:
                        return self._versions.lease(ModelRef(name, version))
                if model.name in self._obeyed:  # another version may have to answer in its stead
                    self._obey(*self._obeyed[model.name])

    def miss(self, name: str) -> None:
        """Note that the files of a model are not there any more; what of it is live stays up."""
        with self.turn(name):
            self._versions.keep_model(name, ())
            self._found.pop(name, None)

    def take_down(self, name: str) -> None:
        """Have a model that nobody wants any more answer no more."""
        with self.turn(name):
            self._versions.move_labels(name, {}, (), self._label_rules)
            self._loader.plan_no_retry(name)
            self.retire(name)
            for table in (self._faults, self._obeyed):
                table.pop(name, None)

    def retire(self, name: str, *, keep: Collection[int] = ()) -> None:
        """Have a model's other versions answer no more; they are closed once no request holds them."""
        for version in self._versions.retire(name, keep=keep):
            logger.info("unloading %s version %d", name, version)

    def _obey(
        self, entry: ModelEntry, policy: VersionPolicy, *, load_by: float | None = None, glance: int | None = None
    ) -> None:
        name = entry.name
        self._obeyed[name] = entry, policy
        self._loader.plan_no_retry(name)
        found, fault = _look(entry)
        self._found[name] = tuple(sorted(found))
        before = max(self._versions.answering(name), default=None)
        self._versions.keep_model(name, found)
        candidates = policy.candidates(found)
        limit = policy.limit(len(candidates))
        named = policy.specific is not None
        keep: set[int] = set()
        for version in candidates:
            if len(keep) >= limit:
                break
            if glance is not None and self._is_left_alone(name, version, found[version], glance):
                error = None
            elif not self._on_first_use or (load_by is not None and not keep):
                error = self._loader.ensure_live(name, version, found[version], named=named, room_by=load_by or 0.0)
            else:
                predecessor = None if keep else before
                error = self._ensure_usable(name, version, found[version], named=named, predecessor=predecessor)
            if error is not None:
                fault = fault or _not_available(name, version, error)
            if error is None or version in self._versions.live(name):
                keep.add(version)
        if not keep:
            fault = fault or _nothing_there(entry, policy)
        lasting = keep or self._versions.answering(name)
        wrong = self._versions.move_labels(name, entry.labels, lasting, self._label_rules)
        self._note(name, fault or wrong)
        if keep:
            self.retire(name, keep=keep)

    def _is_left_alone(self, name: str, version: int, path: Path, glance: int) -> bool:
        """Tell whether a version answers, and it is not the turn of its files to be looked at."""
        turn = crc32(f"{name}/{version}".encode()) + glance
        return turn % _GLANCES != 0 and self._versions.answers_from(name, version, path)

    def _ensure_usable(
        self, name: str, version: int, path: Path, *, named: bool, predecessor: int | None
    ) -> str | None:
        """Have a version be dormant, or live where it takes the place of one that is. Returns why it cannot be."""
        used = self._versions.live(name)
        taken = version if version in used else predecessor
        if taken in used:
            # Nothing goes for it that was used since: it is only worth as much as what it replaces.
            with contextlib.suppress(NoRoomError):
                return self._loader.ensure_live(name, version, path, named=named, replaces=used[taken])
        return self._loader.ensure_dormant(name, version, path, named=named)

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
