"""One loaded version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from serving.answer_gate import check_golden_answers
from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.engines.engine import ElsewhereEngine, Engine, EngineLoader, SignatureReader, takes_one_core
from serving.file_sizes import check_sizes
from serving.joint_signature import JointSignature
from serving.protos import prediction_pb2
from serving.row_independence import RowIndependence, may_be_batched
from serving.saved_model import read_signature_defs
from serving.signature import DEFAULT_SIGNATURE, Signature, to_signatures
from serving.stored_passport import StoredPassport
from serving.trial_rows import TrialRows
from serving.unknown_signature import UnknownSignatureError
from serving.warm_up import warm_up
from zoo.artifact import refuse_faults


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
    independence: Mapping[str, RowIndependence] = field(default_factory=dict)
    """By signature: whether its requests may be computed together; those that never may are left out."""
    batching: BatchingRules | None = None
    """What a batch of its requests is, where versions bring that themselves; None for what it is of all models."""

    @cached_property
    def computes_here(self) -> bool:
        """Whether its calls are computed by this process, rather than by another, for which no event loop may wait."""
        return not isinstance(self.engine, ElsewhereEngine)

    @cached_property
    def on_one_core(self) -> frozenset[str]:
        """The signatures whose calls, where several run, take a core each."""
        return frozenset(name for name in self.signatures if takes_one_core(self.engine, name))

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


def load_servable(
    name: str,
    version: int,
    path: Path,
    load_engine: EngineLoader,
    *,
    own_batching: BatchingParameters | None = None,
    enable_warm_up: bool = True,
) -> Servable:
    """Load a version folder, have it answer its golden inputs, and warm it up.

    Args:
        name: the model's.
        version: its number.
        path: its folder.
        load_engine: what executes it.
        own_batching: given, the version has batching parameters of its own, which share the threads of these.
        enable_warm_up: whether it is.

    Raises:
        ZooError: it is half-written, corrupt or no model, does not answer as it did at export, or refuses its own warm-up
            requests; the message says which.
    """
    check_sizes(path)
    stored = StoredPassport.of(path)
    passport = None if stored is None else stored.facts
    if passport is not None:
        refuse_faults(path, passport)
    read = load_engine.read_signature_defs if isinstance(load_engine, SignatureReader) else read_signature_defs
    definitions = read(path)
    batching = _own_rules(path, own_batching)
    signatures = to_signatures(definitions)
    engine = load_engine(path)
    try:
        if passport is not None:
            check_golden_answers(path, passport, engine, signatures)
        if enable_warm_up:
            warm_up(path, engine, signatures)
    except BaseException:
        engine.close()
        raise
    independence = {
        key: RowIndependence(
            f"{name} version {version}, signature {key!r}",
            partial(engine.run, key),
            TrialRows(signature, passport),
        )
        for key, signature in signatures.items()
        if may_be_batched(signature)
    }
    return Servable(
        name=name,
        version=version,
        engine=engine,
        signatures=signatures,
        signature_defs=definitions,
        passport=None if stored is None else stored.text,
        class_names={} if passport is None else passport.class_names,
        independence=independence,
        batching=batching,
    )


def _own_rules(version: Path, common: BatchingParameters | None) -> BatchingRules | None:
    """Return what a version says of batches; without a word, it has none, as in TensorFlow Serving."""
    if common is None:
        return None
    own = BatchingParameters.of_version(version, common)
    return BatchingRules.off() if own is None else BatchingRules.of(own)
