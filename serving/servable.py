"""One loaded version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving.engines.engine import Engine, EngineLoader, SignatureReader
from serving.joint_signature import JointSignature
from serving.protos import prediction_pb2
from serving.saved_model import check_files, read_class_names, read_passport_text, read_signature_defs
from serving.signature import DEFAULT_SIGNATURE, Signature, to_signatures
from serving.unknown_signature import UnknownSignatureError


@dataclass(frozen=True)
class Servable:
    """A version that can answer. Immutable; any thread may use it."""

    name: str
    version: int
    engine: Engine
    signatures: Mapping[str, Signature]
    signature_defs: prediction_pb2.SignatureDefMap
    """The signatures as they are stored, for clients that ask."""
    passport: str | None = None
    """The text of its passport.json, for clients that ask; None of a SavedModel without one."""
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What its passport calls the classes whose scores an output holds, by output."""

    def signature(self, name: str | tuple[str, ...]) -> Signature:
        """Return a signature, the default one for the empty name; or several joined into one.

        Raises:
            UnknownSignatureError: there is none of such a name.
            StatusError: those that are to be joined do not take the same inputs.
        """
        if isinstance(name, tuple):
            return JointSignature.of([self.signature(each) for each in name])
        wanted = name or DEFAULT_SIGNATURE
        if wanted not in self.signatures:
            raise UnknownSignatureError(wanted, self.signatures)
        return self.signatures[wanted]


def load_servable(name: str, version: int, path: Path, load_engine: EngineLoader) -> Servable:
    """Load a version folder.

    Raises:
        ZooError: it is half-written, corrupt or no model; the message says which.
    """
    check_files(path)
    read = load_engine.read_signature_defs if isinstance(load_engine, SignatureReader) else read_signature_defs
    definitions = read(path)
    passport = read_passport_text(path)
    signatures, class_names = to_signatures(definitions), read_class_names(path)
    return Servable(name, version, load_engine(path), signatures, definitions, passport, class_names)
