"""What a version tells of itself, be it loaded or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from serving.engines.engine import (
    SAVED_MODEL_PLATFORM,
    ChoosingEngine,
    EngineLoader,
    PlatformEngine,
    PlatformReader,
    SignatureReader,
)
from serving.protos.prediction_pb2 import SignatureDefMap
from serving.saved_model import read_signature_defs
from serving.servable import Servable
from serving.signature import Signature, to_signatures
from serving.stored_passport import StoredPassport


@dataclass(frozen=True)
class Description:
    """Of one version. Immutable."""

    name: str
    version: int
    signatures: Mapping[str, Signature]
    signature_defs: SignatureDefMap
    """The signatures as they are stored."""
    passport: str | None
    """The text of its passport.json; None of a SavedModel without one."""
    platform: str
    """What executes it, as the Open Inference Protocol calls it."""
    engines: Mapping[str, str] = field(default_factory=dict)
    """What runs each signature, in words, where that was chosen and is loaded."""

    @classmethod
    def of(cls, servable: Servable) -> Self:
        """Return what a version tells that is loaded."""
        engine = servable.engine
        return cls(
            servable.name,
            servable.version,
            servable.signatures,
            servable.signature_defs,
            servable.passport,
            engine.platform if isinstance(engine, PlatformEngine) else SAVED_MODEL_PLATFORM,
            dict(engine.choices) if isinstance(engine, ChoosingEngine) else {},
        )

    @classmethod
    def read(cls, name: str, version: int, path: Path, load_engine: EngineLoader) -> Self:
        """Return what the files of a version tell that is not loaded.

        Raises:
            ZooError: they cannot be read.
        """
        read = load_engine.read_signature_defs if isinstance(load_engine, SignatureReader) else read_signature_defs
        definitions, stored = read(path), StoredPassport.of(path)
        return cls(
            name,
            version,
            to_signatures(definitions),
            definitions,
            None if stored is None else stored.text,
            load_engine.platform(path) if isinstance(load_engine, PlatformReader) else SAVED_MODEL_PLATFORM,
        )
