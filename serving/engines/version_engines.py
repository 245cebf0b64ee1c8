"""The engines of one version, each loaded once."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from serving.answer_gate import check_golden_answers
from serving.engines.by_files import EngineByFiles
from serving.engines.deferred import DeferredEngine
from serving.engines.discovery import Subject
from serving.engines.engine import Engine
from serving.engines.findings import FROZEN, SAVED_MODEL, XLA, Contender
from serving.engines.frozen_graph import FrozenGraphEngine
from serving.engines.labels import LabelledEngine, missing_labels
from serving.engines.litert import LiteRTEngine
from serving.engines.saved_model import SavedModelEngine
from serving.engines.solo import SoloEngine
from serving.engines.xla import XlaEngine
from serving.signature import Signature


class VersionEngines:
    """Loads them as they are asked for. Belongs to the thread that loads the version."""

    def __init__(self, files: EngineByFiles, subject: Subject, folder: Path) -> None:
        """Prepare; nothing is loaded.

        Args:
            files: how many calls of a model.tflite are computed at once.
            subject: the version.
            folder: of what was made of it.
        """
        self._files = files
        self._subject = subject
        self._folder = folder
        self._loaded: dict[tuple[object, ...], Engine] = {}
        self._compiled: XlaEngine | None = None
        """What all signatures that XLA runs have in common."""

    @property
    def loaded(self) -> list[Engine]:
        """Those that were."""
        return list(self._loaded.values())

    def load(self, signature: str, contender: Contender) -> Engine:
        """Return what runs a signature. Raises ServerError."""
        key = (contender.engine, contender.threads, contender.folder, signature if contender.engine == XLA else "")
        if key not in self._loaded:
            self._loaded[key] = self._load(signature, contender)
        return self._loaded[key]

    def defer(self, signatures: frozenset[str]) -> Engine:
        """Return what loads the SavedModel once one of these signatures is asked for."""
        version = self._subject.version
        title = f"{version.parent.name} {version.name}"
        engine = DeferredEngine(partial(self._load_late, signatures), signatures, title=title)
        self._loaded[("deferred",)] = engine
        return engine

    def close(self) -> None:
        """Close them."""
        for engine in self.loaded:
            engine.close()

    def _load(self, signature: str, contender: Contender) -> Engine:
        subject = self._subject
        place = self._folder / contender.folder if contender.folder else subject.version
        if contender.engine == FROZEN:
            return FrozenGraphEngine(place)
        if contender.engine == SAVED_MODEL:
            return SavedModelEngine(subject.version, subject.tags)
        if contender.engine == XLA:
            compiled = self._compiled = self._compiled or XlaEngine(subject.version, subject.signatures, subject.tags)
            compiled.prepare(signature)
            return self._labelled(compiled, subject.signatures[signature], compiled.outputs(signature))
        one = None if contender.threads == 1 else self.load(signature, replace(contender, threads=1))
        only = signature if contender.folder else None
        interpreters = self._files.interpreters if contender.threads == 1 else 1
        engine = LiteRTEngine(place, interpreters=interpreters, threads=contender.threads, only=only)
        labelled = self._labelled(engine, subject.signatures[signature], engine.outputs(signature))
        return labelled if one is None else SoloEngine(labelled, one)

    def _labelled(self, engine: Engine, signature: Signature, outputs: Mapping[str, object]) -> Engine:
        labels = missing_labels(signature, outputs, self._subject.passport)
        return LabelledEngine(engine, labels) if labels else engine

    def _load_late(self, signatures: frozenset[str]) -> Engine:
        subject = self._subject
        engine = SavedModelEngine(subject.version, subject.tags)
        if subject.passport is not None:
            wanted = {name: subject.signatures[name] for name in signatures}
            check_golden_answers(subject.version, subject.passport, engine, wanted)
        return engine
