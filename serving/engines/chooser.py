"""Chooses what runs each signature of a version: the fastest of what answers as its SavedModel does, on this machine."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving.engines.by_files import EngineByFiles
from serving.engines.discovery import Discovery, Subject
from serving.engines.engine import Engine
from serving.engines.findings import (
    AUTO,
    LITERT,
    SAVED_MODEL,
    Findings,
    Route,
    SignatureFindings,
    choose,
    describe,
)
from serving.engines.routed import Choice, RoutedEngine
from serving.engines.version_engines import VersionEngines
from serving.protos.prediction_pb2 import SignatureDefMap
from serving.signature import to_signatures
from serving.status import ServerError
from serving.stored_passport import StoredPassport

logger = logging.getLogger(__name__)

_NOTHING = SignatureFindings()


@dataclass(frozen=True)
class EngineChooser:
    """Loads version folders; see EngineLoader and the readers beside it. Immutable; any thread may use it."""

    files: EngineByFiles
    """Loads versions whose files leave no choice."""
    engine: str = AUTO
    """`auto`; or the one engine, `frozen`, `litert` or `xla`, that may run a SavedModel."""
    discovery: Discovery = field(default_factory=Discovery)

    def __call__(self, version: Path) -> Engine:
        """Load a version folder. Raises ServerError where it cannot be loaded, or the one engine can run none of it."""
        if self.files.is_tflite(version):
            return self.files(version)
        stored = StoredPassport.of(version)
        passport = None if stored is None else stored.facts
        signatures = to_signatures(self.read_signature_defs(version))
        subject = Subject(
            version, self.files.tags, signatures, passport, only=None if self.engine == AUTO else self.engine
        )
        with self.discovery.find(subject) as (findings, folder):
            return self._load(subject, findings, folder)

    def read_signature_defs(self, version: Path) -> SignatureDefMap:
        """Return the signatures of what would be loaded. Raises ServerError."""
        return self.files.read_signature_defs(version)

    def memory_bytes(self, version: Path) -> int:
        """Return what a version folder takes once it is loaded, whatever runs it. Raises ServerError."""
        return self.files.memory_bytes(version)

    def platform(self, version: Path) -> str:
        """Return what would be executed, as the Open Inference Protocol calls it."""
        return self.files.platform(version)

    def _load(self, subject: Subject, findings: Findings, folder: Path) -> Engine:
        only = None if self.engine == AUTO else self.engine
        routes = {name: choose(findings.signatures.get(name, _NOTHING), only) for name in subject.signatures}
        if only and not any(routes.values()):
            reasons = "; ".join(f"{name!r}: {_why_not(findings, name, only)}" for name in routes)
            raise ServerError(
                f"--engine={only} can run no signature of {subject.version}: {reasons}. --engine=auto can"
            )
        engines = VersionEngines(self.files, subject, folder)
        try:
            choices = {
                name: self._choice(engines, findings, name, each) for name, each in routes.items() if each or only
            }
            if late := frozenset(routes.keys() - choices.keys()):
                deferred = engines.defer(late)
                choices |= dict.fromkeys(late, Choice(((1, deferred),), f"{SAVED_MODEL}, when it is first asked for"))
        except BaseException:
            engines.close()
            raise
        for name, choice in sorted(choices.items()):
            model = f"{subject.version.parent.name} {subject.version.name}"
            logger.info("%s, %s: %s%s", model, name, choice.words, _details(findings, name))
        return RoutedEngine(subject.signatures, choices, engines.loaded)

    def _choice(self, engines: VersionEngines, findings: Findings, name: str, routes: Sequence[Route]) -> Choice:
        if not routes:
            return Choice((), f"{_why_not(findings, name, self.engine)} (--engine={self.engine})")
        loaded = tuple((route.rows, engines.load(name, route.contender)) for route in routes)
        return Choice(loaded, describe(routes), LITERT if all(_is_own(route) for route in routes) else "")


def _is_own(route: Route) -> bool:
    return route.contender.engine == LITERT and not route.contender.folder


def _why_not(findings: Findings, name: str, engine: str) -> str:
    return findings.signatures.get(name, _NOTHING).refused.get(engine, f"{engine} does not have it")


def _details(findings: Findings, name: str) -> str:
    """Return what was measured, and why others do not run it."""
    found = findings.signatures.get(name, _NOTHING)
    timed = [each for each in found.contenders if each.microseconds]
    sizes = sorted(timed[0].microseconds, key=int) if timed else []
    times = [f"{each.title} {', '.join(f'{each.microseconds[size]:g}' for size in sizes)} us" for each in timed]
    told = [f"of {', '.join(sizes)} rows: {'; '.join(times)}"] if times else []
    told += [f"no {engine}: {reason}" for engine, reason in found.refused.items()]
    return f" ({'; '.join(told)})" if told else ""
