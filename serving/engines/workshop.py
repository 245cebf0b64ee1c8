"""What a child process does: makes the ways to run a SavedModel, holds them against it, and times them.

python -m serving.engines.workshop ORDER        a WorkOrder, as JSON
"""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from serving.asking import ask
from serving.engines.child import settle
from serving.engines.conversion import NotConvertibleError, convert
from serving.engines.engine import Engine
from serving.engines.findings import FROZEN, LITERT, SAVED_MODEL, XLA, Contender, Findings, SignatureFindings
from serving.engines.freezing import freeze
from serving.engines.frozen_file import read_frozen_signatures, write_frozen
from serving.engines.frozen_graph import FrozenGraphEngine
from serving.engines.labels import LabelledEngine, missing_labels
from serving.engines.litert import LiteRTEngine
from serving.engines.saved_model import SavedModelEngine
from serving.engines.trial import Cases, fault, make_cases, time_all
from serving.engines.work_order import RESULT, STEP, WorkOrder
from serving.engines.xla import XlaEngine
from serving.processor import Processor
from serving.saved_model import read_signature_defs
from serving.signature import Signature, to_signatures
from serving.status import ServerError
from serving.stored_passport import StoredPassport
from serving.tflite_file import TFLITE_FILE, TFLiteFile, tensors_by_signature
from zoo.passport import Tolerance
from zoo.typed_json import read

_LEAST_MEMORY = 4 << 30
_TIMES_MODEL = 16
"""Memory by the size of the model: converters keep it several times."""


@dataclass
class _Signature:
    """What is known of one of them so far."""

    signature: Signature
    cases: Cases | None
    """None where nothing can be tried."""
    contenders: list[tuple[Contender, Engine]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


class Workshop:
    """Does one work order, once."""

    def __init__(self, order: WorkOrder, processor: Processor) -> None:
        self._order, self._processor = order, processor
        self._version, self._folder = Path(order.version), Path(order.folder)
        stored = StoredPassport.of(self._version)
        self._passport = None if stored is None else stored.facts
        self._step("load")
        self._tags = frozenset(order.tags)
        self._model = SavedModelEngine(self._version, self._tags)
        signatures = to_signatures(read_signature_defs(self._version, self._tags))
        self._signatures = {
            name: _Signature(each, make_cases(each, self._passport, partial(ask, self._model, signatures, name)))
            for name, each in signatures.items()
        }

    def findings(self) -> Findings:
        """Return what was found; files are in the order's folder."""
        ways = {LITERT: self._try_litert, FROZEN: self._try_frozen, XLA: self._try_xla}
        for name in self._order.engines:
            if name not in self._order.without:
                self._step(name)
                ways[name]()
        self._step("time")
        watch = self._processor.watch(whole_process=True)
        timed = {name: self._timed(name, each) for name, each in self._signatures.items()}
        return Findings(timed, was_disturbed=watch.was_disturbed())

    def _try_litert(self) -> None:
        own = self._own_outputs()
        for number, (name, each) in enumerate(self._signatures.items()):
            if each.cases is None:
                continue
            try:
                if name in own:
                    self._hold_own_file(name, own[name])
                else:
                    self._hold_converted(name, f"{LITERT}-{number}")
            except (NotConvertibleError, ServerError) as error:
                each.refused[LITERT] = str(error)

    def _hold_own_file(self, name: str, outputs: Mapping[str, object]) -> None:
        """Hold the version's own model.tflite against the SavedModel."""
        variant = self._passport.variants.get(LITERT) if self._passport else None
        labels = missing_labels(self._signatures[name].signature, outputs, self._passport)
        if labels is None:
            self._signatures[name].refused[LITERT] = "model.tflite lacks some of its outputs"
            return
        for threads in self._thread_counts():
            engine: Engine = LiteRTEngine(self._version, threads=threads)
            if labels:
                engine = LabelledEngine(engine, labels)
            self._hold(name, Contender(LITERT, threads), engine, None if variant is None else variant.tolerance)

    def _hold_converted(self, name: str, folder: str) -> None:
        """Convert a signature, and hold it against the SavedModel."""
        convert(self._model.function(name), self._folder / folder)
        for threads in self._thread_counts():
            engine = LiteRTEngine(self._folder / folder, threads=threads, only=name)
            self._hold(name, Contender(LITERT, threads, folder), engine)
        if not any(found.folder == folder for found, _ in self._signatures[name].contenders):
            shutil.rmtree(self._folder / folder)

    def _try_frozen(self) -> None:
        wanted = {name: self._model.function(name) for name, each in self._signatures.items() if each.cases}
        frozen = freeze(wanted)
        for name, reason in frozen.refused.items():
            self._signatures[name].refused[FROZEN] = reason
        if not frozen.signatures:
            return
        (self._folder / FROZEN).mkdir()
        write_frozen(self._folder / FROZEN, frozen.signatures, frozen.pieces)
        engine = FrozenGraphEngine(self._folder / FROZEN)
        for name in read_frozen_signatures(self._folder / FROZEN):
            self._hold(name, Contender(FROZEN, folder=FROZEN), engine)

    def _try_xla(self) -> None:
        signatures = {name: each.signature for name, each in self._signatures.items()}
        compiled = XlaEngine(self._version, signatures, self._tags)
        for name, each in self._signatures.items():
            labels = missing_labels(each.signature, compiled.outputs(name), self._passport)
            if labels is None:
                each.refused[XLA] = "XLA has no text, which some of its outputs are"
                continue
            try:
                self._hold(name, Contender(XLA), LabelledEngine(compiled, labels) if labels else compiled)
            except ServerError as error:
                each.refused[XLA] = str(error)

    def _hold(self, name: str, contender: Contender, engine: Engine, tolerance: Tolerance | None = None) -> None:
        """Hold an engine against the SavedModel."""
        each = self._signatures[name]
        if each.cases is None:
            return
        wrong = fault(each.signature, each.cases, partial(engine.run, name), tolerance)
        if wrong is None:
            each.contenders.append((contender, engine))
        else:
            each.refused[contender.engine] = wrong

    def _timed(self, name: str, each: _Signature) -> SignatureFindings:
        if each.cases is None:
            return SignatureFindings(
                (Contender(SAVED_MODEL),), dict.fromkeys(self._order.engines, "no inputs are known to try it with")
            )
        all_of_them = [*each.contenders, (Contender(SAVED_MODEL), self._model)]
        times = time_all([engine for _, engine in all_of_them], name, each.cases)
        contenders = tuple(
            Contender(found.engine, found.threads, found.folder, spent)
            for (found, _), spent in zip(all_of_them, times, strict=True)
        )
        refused = {**dict.fromkeys(self._order.without, "it ended the process that tried it"), **each.refused}
        return SignatureFindings(contenders, refused)

    def _own_outputs(self) -> Mapping[str, Mapping[str, object]]:
        """Return the outputs of the signatures of the version's own model.tflite, by signature."""
        if not (self._version / TFLITE_FILE).is_file():
            return {}
        try:
            found = tensors_by_signature(TFLiteFile(self._version).interpreter())
        except ServerError:
            return {}
        return {name: outputs for name, (_, outputs) in found.items()}

    def _thread_counts(self) -> list[int]:
        return sorted({1, self._order.threads})

    def _step(self, name: str) -> None:
        """Note what is done next, for whoever finds this process dead."""
        (self._folder / STEP).write_text(name, encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Do a order."""
    order: WorkOrder = read(WorkOrder, json.loads(arguments[0]))
    size = sum(path.stat().st_size for path in Path(order.version).rglob("*") if path.is_file())
    settle(max(_LEAST_MEMORY, _TIMES_MODEL * size))
    findings = Workshop(order, Processor()).findings()
    (Path(order.folder) / RESULT).write_text(json.dumps(asdict(findings)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
