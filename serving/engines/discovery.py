"""Finds out what there is to run a version, or remembers it."""

import contextlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from serving.cores import available_cores
from serving.engines.child import ChildError, run_child
from serving.engines.findings import FROZEN, LITERT, SAVED_MODEL, XLA, Contender, Findings, SignatureFindings
from serving.engines.findings_cache import FindingsCache, checksums, key_of
from serving.engines.own_file import try_own_file
from serving.engines.work_order import RESULT, STEP, WorkOrder
from serving.gentle import plainly
from serving.processor import Processor
from serving.signature import Signature
from zoo.artifact import hash_files
from zoo.passport import Passport
from zoo.typed_json import read

logger = logging.getLogger(__name__)

_MOST_THREADS = 4
_CHILD_SECONDS = 300.0
_AGAIN = "again"
"""Locks what is timed again: versions that one start loads at once would only disturb each other once more."""

_Known = tuple[Findings, Path]

Make = Callable[[WorkOrder], None]
"""Does a work order. Raises ChildError."""


def in_child(order: WorkOrder) -> None:
    """Have a child process do a work order. Raises ChildError."""
    run_child("serving.engines.workshop", [json.dumps(asdict(order))], seconds=_CHILD_SECONDS)


@dataclass(frozen=True)
class Subject:
    """A version folder that holds a SavedModel."""

    version: Path
    tags: AbstractSet[str]
    """Of the graph to load."""
    signatures: Mapping[str, Signature]
    passport: Passport | None
    only: str | None = None
    """The one engine that may run it; None for any."""


@dataclass(frozen=True)
class Discovery:
    """Immutable; any thread may use it."""

    cache: FindingsCache = field(default_factory=FindingsCache)
    make: Make = in_child
    processor: Processor = field(default_factory=Processor)

    @contextlib.contextmanager
    def find(self, subject: Subject) -> Iterator[_Known]:
        """Give what is known of a version, and the folder of its files, which may be gone after the block.

        An artifact whose own model.tflite answers as its passport says is not looked at further: that needs no TensorFlow.
        What was timed while the machine was busy is timed again, unless it is busy once more.
        """
        passport, tags = subject.passport, sorted(subject.tags)
        files = hash_files(subject.version) if passport is None else passport.files
        has_own = passport is not None and LITERT in passport.variants
        may_do = has_own and subject.only in {None, LITERT}
        # What is found out since the own file is not enough is not what is known where that will not do.
        what = "every engine" if may_do or not has_own else "every engine, though it has its own file"
        if subject.only == XLA:
            what = XLA
        every = key_of(files, tags=tags, what=what)
        own = key_of(files, tags=tags, what="own file") if may_do else None
        keys = (every,) if own is None else (every, own)
        known = self._remembered(keys)
        if known is not None and not self._is_time_again(subject, known[0]):
            yield known
            return
        with self.cache.staging() as staging:
            with self.cache.alone(every if known is None else _AGAIN):  # several workers load the same versions
                found = self._remembered(keys)
                if found is None or found == known:  # nobody was faster
                    found = self._find_anew(subject, every, own, staging=staging, known=known)
            yield found

    def _remembered(self, keys: Sequence[str]) -> _Known | None:
        return next((known for key in keys if (known := self.cache.find(key)) is not None), None)

    def _is_time_again(self, subject: Subject, known: Findings) -> bool:
        """Tell whether to find out anew what was timed while the machine was busy."""
        if not known.was_disturbed or not self.cache.can_keep():
            return False
        if self.processor.is_busy():
            logger.info("%s was timed while the machine was busy, as it is now: that serves for now", subject.version)
            return False
        logger.info("%s was timed while the machine was busy, and is timed again", subject.version)
        return True

    def _find_anew(
        self, subject: Subject, every: str, own: str | None, *, staging: Path, known: _Known | None
    ) -> _Known:
        """Try out what may run a version, and remember it where it is better than what is known."""
        key, findings = own, None if own is None else self._try_own_file(subject)
        if key is None or findings is None:
            key, findings = every, plainly(partial(self._find_out, subject, staging, known))
        if findings.was_disturbed:
            logger.info("%s was timed while the machine was busy: its next load times it again", subject.version)
            if known is not None:
                return known
        return findings, self.cache.keep(key, findings, staging)

    def _try_own_file(self, subject: Subject) -> Findings | None:
        if subject.passport is None:
            return None
        version, passport, signatures = subject.version, subject.passport, subject.signatures
        # What is timed is not to yield.
        return plainly(
            partial(try_own_file, version, passport, signatures, threads=_threads(), processor=self.processor)
        )

    def _find_out(self, subject: Subject, staging: Path, known: _Known | None) -> Findings:
        """Have every engine tried; one that ends the child is left out the next time.

        Where it gets nowhere, what is known stays; without that, the SavedModel is left.
        """
        without: tuple[str, ...] = ()
        while True:
            engines = (XLA,) if subject.only == XLA else (LITERT, FROZEN)
            place, tags = str(subject.version.resolve()), tuple(subject.tags)
            order = WorkOrder(place, str(staging), tags, _threads(), engines, without)
            logger.info("trying out what can run %s", subject.version)
            try:
                self.make(order)
                found: Findings = read(Findings, json.loads((staging / RESULT).read_bytes()))
            except (ChildError, OSError, ValueError, TypeError, KeyError) as error:
                step = _read(staging / STEP)
                logger.warning("trying out what can run %s failed (%s): %s", subject.version, step or "start", error)
                _empty(staging)
                if step not in engines or step in without:
                    reason = f"trying it out failed: {error}"[:300]
                    return _saved_model_alone(subject, engines, reason) if known is None else known[0]
                without = (*without, step)
            else:
                for name in (RESULT, STEP):
                    (staging / name).unlink()
                return replace(found, files=checksums(staging))


def _saved_model_alone(subject: Subject, engines: Sequence[str], reason: str) -> Findings:
    alone = SignatureFindings((Contender(SAVED_MODEL),), dict.fromkeys(engines, reason))
    return Findings(dict.fromkeys(subject.signatures, alone))


def _threads() -> int:
    return min(_MOST_THREADS, available_cores())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
