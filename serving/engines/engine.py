"""The interface of every engine."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np


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


EngineLoader = Callable[[Path], Engine]
"""Loads a version folder. Raises ServerError where it cannot be loaded."""
