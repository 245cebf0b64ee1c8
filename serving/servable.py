"""One loaded version."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.answer_gate import check_golden_answers
from serving.engines.engine import Engine, EngineLoader
from serving.protos import prediction_pb2
from serving.saved_model import check_files, read_passport_text, read_signature_defs
from serving.signature import DEFAULT_SIGNATURE, Signature, to_signatures
from serving.status import invalid
from serving.warm_up import warm_up
from zoo.errors import did_you_mean


@dataclass(frozen=True)
class Servable:
    """A version that can answer. Immutable; any thread may use it."""

    name: str
    version: int
    engine: Engine
    signatures: Mapping[str, Signature]
    signature_defs: prediction_pb2.SignatureDefMap
    """The signatures as the SavedModel stores them, for clients that ask."""
    passport: str | None = None
    """The text of its passport.json, for clients that ask; None of a SavedModel without one."""

    def signature(self, name: str) -> Signature:
        """Return a signature; the empty name means the default one. Raises StatusError on an unknown name."""
        wanted = name or DEFAULT_SIGNATURE
        if wanted not in self.signatures:
            raise invalid(
                f'Serving signature name: "{wanted}" not found in signature def; {did_you_mean(wanted, self.signatures)}',
                field="model_spec.signature_name",
            )
        return self.signatures[wanted]


def load_servable(
    name: str, version: int, path: Path, load_engine: EngineLoader, *, enable_warm_up: bool = True
) -> Servable:
    """Load a version folder, have it answer its golden inputs, and warm it up.

    Raises:
        ZooError: it is half-written, corrupt or not a SavedModel, does not answer as it did at export, or refuses its own
            warm-up requests; the message says which.
    """
    check_files(path)
    definitions = read_signature_defs(path)
    signatures = to_signatures(definitions)
    passport = read_passport_text(path)
    engine = load_engine(path)
    try:
        check_golden_answers(path, engine, signatures)
        if enable_warm_up:
            warm_up(path, engine, signatures)
    except BaseException:
        engine.close()
        raise
    return Servable(name, version, engine, signatures, definitions, passport)
