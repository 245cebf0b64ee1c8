"""An engine that is loaded when it is first asked: TensorFlow takes 2 s and 500 MB, which most servers never need."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

import numpy as np

from serving.engines.engine import Engine, JointEngine
from serving.status import Code, StatusError
from zoo.errors import ZooError

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


class DeferredEngine:
    """Loads another engine, once. `run` may be called from any thread.

    In the thread that asks, which a client waits for: unlike other loads, this one does not yield to the rest.

    State: the engine, once it is there, or why it cannot be, behind a lock that is held while it is loaded.
    """

    def __init__(self, load: Callable[[], Engine], signatures: frozenset[str], *, title: str) -> None:
        """Prepare; nothing is loaded.

        Args:
            load: loads the engine. Raises ZooError where it cannot.
            signatures: that it runs.
            title: what the log calls the version.
        """
        self._load = load
        self._signatures = signatures
        self._title = title
        self._loading = threading.Lock()
        self._engine: Engine | None = None
        self._fault = ""

    @property
    def deferred(self) -> frozenset[str]:
        """The signatures that it runs, while it is not loaded."""
        return frozenset() if self._engine else self._signatures

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """See Engine. The first call takes as long as loading does."""
        return self._loaded(signature).run(signature, inputs)

    def run_jointly(self, signatures: Sequence[str], inputs: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
        """See JointEngine."""
        engine = self._loaded(", ".join(signatures))
        if isinstance(engine, JointEngine):
            return engine.run_jointly(signatures, inputs)
        return {name: engine.run(name, inputs) for name in signatures}

    def close(self) -> None:
        """See Engine."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def _loaded(self, asked: str) -> Engine:
        if self._engine is None:
            with self._loading:
                if self._engine is None and not self._fault:
                    logger.info("%s: %s was asked for, loading TensorFlow, which runs it", self._title, asked)
                    started = monotonic()
                    self._try_load()
                    logger.info("%s: %s after %.1f s", self._title, self._fault or "loaded", monotonic() - started)
        if self._engine is None:
            raise StatusError(Code.INTERNAL, f"signature {asked!r} cannot be served: {self._fault}")
        return self._engine

    def _try_load(self) -> None:
        try:
            self._engine = self._load()
        except ZooError as error:
            self._fault = str(error)[:500]
            logger.error("%s", self._fault)  # noqa: TRY400 - the message says it all
