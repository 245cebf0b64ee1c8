"""One loaded version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving.engines.engine import Engine, EngineLoader
from serving.protos import prediction_pb2
from serving.saved_model import check_files, read_class_names, read_passport_text, read_signature_defs
from serving.signature import DEFAULT_SIGNATURE, Signature, to_signatures
from serving.status import invalid
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
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What its passport calls the classes whose scores an output holds, by output."""

    def signature(self, name: str) -> Signature:
        """Return a signature; the empty name means the default one. Raises StatusError on an unknown name."""
        wanted = name or DEFAULT_SIGNATURE
        if wanted not in self.signatures:
            raise invalid(
                f'Serving signature name: "{wanted}" not found in signature def; {did_you_mean(wanted, self.signatures)}',
                field="model_spec.signature_name",
            )
        return self.signatures[wanted]


def load_servable(name: str, version: int, path: Path, load_engine: EngineLoader) -> Servable:
    """Load a version folder.

    Raises:
        ZooError: it is half-written, corrupt or not a SavedModel; the message says which.
    """
    check_files(path)
    definitions = read_signature_defs(path)
    passport = read_passport_text(path)
    signatures, class_names = to_signatures(definitions), read_class_names(path)
    return Servable(name, version, load_engine(path), signatures, definitions, passport, class_names)
