"""An engine that takes all cores while nobody else wants them."""

import threading
from collections.abc import Mapping

import numpy as np

from serving.engines.engine import Engine


class SoloEngine:
    """Has a call that is the only one computed by several threads, and others, which have no cores to spare, by one each.

    `run` may be called from any thread.
    """

    def __init__(self, several: Engine, one: Engine) -> None:
        """Take two engines that answer alike: `several`, to be closed with this one, computes a call in several threads."""
        self._several = several
        self._one = one
        self._lock = threading.Lock()
        self._running = 0

    def takes_one_core(self, signature: str) -> bool:  # noqa: ARG002 - all do alike
        """See OneCoreEngine."""
        return True

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine."""
        with self._lock:
            engine = self._one if self._running else self._several
            self._running += 1
        try:
            return engine.run(signature, inputs)
        finally:
            with self._lock:
                self._running -= 1

    def close(self) -> None:
        """See Engine."""
        self._several.close()
