"""Which engine a version is loaded into: what lies in its folder decides, and what the server was told to prefer."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from serving.engines.engine import SAVED_MODEL_PLATFORM, Engine
from serving.engines.litert import LiteRTEngine
from serving.engines.saved_model import SavedModelEngine
from serving.footprint import saved_model_bytes, tflite_bytes
from serving.protos.prediction_pb2 import SignatureDefMap
from serving.saved_model import SAVED_MODEL_FILE, SERVE_TAG, read_signature_defs
from serving.tflite_file import TFLITE_FILE, read_tflite_signature_defs


@dataclass(frozen=True)
class EngineByFiles:
    """Loads version folders; see EngineLoader, SignatureReader, FootprintReader and PlatformReader."""

    tags: AbstractSet[str] = frozenset({SERVE_TAG})
    """Of the graph of a SavedModel."""
    prefer_tflite: bool = False
    """Whether a model.tflite is taken where a SavedModel lies beside it; one that lies alone always is."""
    interpreters: int = 1
    """How many calls of a model.tflite are computed at once."""

    def __call__(self, version: Path) -> Engine:
        """Load a version folder. Raises ServerError where it cannot be loaded."""
        if self._is_tflite(version):
            return LiteRTEngine(version, interpreters=self.interpreters)
        return SavedModelEngine(version, self.tags)

    def read_signature_defs(self, version: Path) -> SignatureDefMap:
        """Return the signatures of what would be loaded. Raises ServerError."""
        return (
            read_tflite_signature_defs(version) if self._is_tflite(version) else read_signature_defs(version, self.tags)
        )

    def memory_bytes(self, version: Path) -> int:
        """Return what a version folder takes once it is loaded. Raises ServerError."""
        return tflite_bytes(version, self.interpreters) if self._is_tflite(version) else saved_model_bytes(version)

    def platform(self, version: Path) -> str:
        """Return what would be executed, as the Open Inference Protocol calls it."""
        return LiteRTEngine.platform if self._is_tflite(version) else SAVED_MODEL_PLATFORM

    def _is_tflite(self, version: Path) -> bool:
        return (version / TFLITE_FILE).exists() and (self.prefer_tflite or not (version / SAVED_MODEL_FILE).exists())
