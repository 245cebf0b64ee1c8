"""The interface of every engine."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from serving.protos.prediction_pb2 import SignatureDefMap

SAVED_MODEL_PLATFORM = "tensorflow_savedmodel"
"""What an engine executes that does not say otherwise, as the Open Inference Protocol calls it."""


class Engine(Protocol):
    """Executes the signatures of one loaded version."""

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answer a request that passed its signature's check.

        Any number of threads may call this at once.

        Args:
            signature: the name of one of the version's signatures.
            inputs: an array per input, of exactly the signature's dtypes and shapes; they may be read-only.

        Returns:
            An array per output.

        Raises:
            StatusError: the model refuses these values; any other exception is a fault of the server's.
        """
        ...

    def close(self) -> None:
        """Give back what the engine holds. Called once, when no call is running."""
        ...


@runtime_checkable
class JointEngine(Engine, Protocol):
    """An engine that runs several signatures in less time than one after the other."""

    def run_jointly(
        self, signatures: Sequence[str], inputs: Mapping[str, np.ndarray]
    ) -> dict[str, dict[str, np.ndarray]]:
        """Answer what `run` would answer to each of these signatures, which take the same inputs; by signature."""
        ...


@runtime_checkable
class PlatformEngine(Engine, Protocol):
    """An engine that executes something else than a SavedModel."""

    @property
    def platform(self) -> str:
        """What it executes, as the Open Inference Protocol tells of a model: `tflite`."""
        ...


@runtime_checkable
class ChoosingEngine(Engine, Protocol):
    """An engine that has others do the work, one for each signature."""

    @property
    def choices(self) -> Mapping[str, str]:
        """What runs a signature, in words, by signature."""
        ...

    @property
    def deferred(self) -> frozenset[str]:
        """Signatures that are not to be asked before a client does: what runs them is not loaded yet, or nothing does."""
        ...

    def variant_of(self, signature: str) -> str:
        """Return the name in the passport of what runs a signature; empty where that is the SavedModel."""
        ...


@runtime_checkable
class OneCoreEngine(Engine, Protocol):
    """An engine some of whose calls leave all cores but one to others."""

    def takes_one_core(self, signature: str) -> bool:
        """Tell whether calls of a signature that run at the same time take a core each."""
        ...


def takes_one_core(engine: Engine, signature: str) -> bool:
    """Tell the same of any engine: those that do not say so take all cores."""
    return isinstance(engine, OneCoreEngine) and engine.takes_one_core(signature)


@runtime_checkable
class ElsewhereEngine(Engine, Protocol):
    """An engine whose calls wait for another process, which may end: no event loop may wait for them."""

    computes_elsewhere: bool


EngineLoader = Callable[[Path], Engine]
"""Loads a version folder. Raises ServerError where it cannot be loaded."""


@runtime_checkable
class SignatureReader(Protocol):
    """A loader that chooses what of a version folder it loads, and so also whose signatures count."""

    def read_signature_defs(self, version: Path) -> SignatureDefMap:
        """Return the signatures of what would be loaded. Raises ServerError where they cannot be read."""
        ...


@runtime_checkable
class FootprintReader(Protocol):
    """A loader that knows what a version will take in memory."""

    def memory_bytes(self, version: Path) -> int:
        """Return what a version folder takes once it is loaded. Raises ServerError where its files do not tell."""
        ...


@runtime_checkable
class PlatformReader(Protocol):
    """A loader whose engines execute different things."""

    def platform(self, version: Path) -> str:
        """Return the platform of the engine that a version folder would be loaded into; see PlatformEngine."""
        ...
