"""Which versions are run by a process of their own: those whose load would hold up the others."""

import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from queue import SimpleQueue

from serving.engines.by_files import EngineByFiles
from serving.engines.chooser import EngineChooser
from serving.engines.engine import SAVED_MODEL_PLATFORM, Engine
from serving.engines.options import EngineOptions
from serving.isolation.engine import Ended, IsolatedEngine
from serving.isolation.leisure import cores_of_this_thread, keep_to_one_core
from serving.isolation.order import Order
from serving.isolation.process import HostProcess
from serving.protos.prediction_pb2 import SignatureDefMap
from serving.status import ServerError
from serving.version_record import fingerprint

_TENSORFLOW_BYTES = 384 << 20
_LITERT_BYTES = 32 << 20
"""What a process takes before it holds a model; docs/decisions/0028 has the figures."""


class Starter:
    """Starts processes by a thread of the usual priority: threads that load have a low one, which a process would keep.

    They start on one core, lest what answers requests be moved about, and have the others once they have started.

    State: the thread, which lasts as long as this process.
    """

    def __init__(self) -> None:
        self._cores = cores_of_this_thread()
        self._orders: SimpleQueue[tuple[Order, Ended, Future[HostProcess]]] = SimpleQueue()
        threading.Thread(target=self._work, name="zoo-starter", daemon=True).start()

    def start(self, order: Order, ended: Ended) -> HostProcess:
        """Start a process. Raises ServerError."""
        started: Future[HostProcess] = Future()
        self._orders.put((replace(order, cores=self._cores), ended, started))
        return started.result()

    def _work(self) -> None:
        keep_to_one_core()
        while True:
            order, ended, started = self._orders.get()
            try:
                started.set_result(HostProcess(order, ended))
            except BaseException as error:  # noqa: BLE001 - raised again by who waits
                started.set_exception(error)
            del order, ended, started


@cache
def starter() -> Starter:
    """Return the one of this process."""
    return Starter()


@dataclass(frozen=True)
class IsolatingLoader:
    """Loads version folders; see EngineLoader and the readers beside it. Immutable; any thread may use it."""

    options: EngineOptions
    over_bytes: int
    """The size of a version folder from which its version has a process of its own."""
    intra_op: int = 0
    """Threads of one operation of TensorFlow's; 0 for the cores."""
    inter_op: int = 0
    """Operations of TensorFlow's at once; 0 for the cores."""

    def __post_init__(self) -> None:
        starter()  # while the thread that is here has the usual priority

    def __call__(self, version: Path) -> Engine:
        """Load a version folder, into another process where it is large. Raises ServerError where it cannot be loaded."""
        if not self.isolates(version):
            return self._loader(version)
        order = Order(
            str(version.absolute()),
            self.options,
            logging.getLogger().getEffectiveLevel(),
            intra_op=self.intra_op,
            inter_op=self.inter_op,
        )
        files = fingerprint(version)

        def start(ended: Ended, yields: bool) -> HostProcess:  # noqa: FBT001 - as Start has it
            if fingerprint(version) != files:
                raise ServerError(f"since the files of {version} are not those that were loaded")
            return starter().start(replace(order, yields=yields), ended)

        engine = IsolatedEngine(f"{version.parent.name} version {version.name}", start)
        engine.load()
        return engine

    def isolates(self, version: Path) -> bool:
        """Tell whether a version has a process of its own."""
        try:
            size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
        except OSError:  # it is being removed, and nothing that could be loaded
            return False
        return size >= self.over_bytes

    def read_signature_defs(self, version: Path) -> SignatureDefMap:
        """Return the signatures of what would be loaded. Raises ServerError."""
        return self._loader.read_signature_defs(version)

    def memory_bytes(self, version: Path) -> int:
        """Return what a version folder takes once it is loaded, with the process that runs it. Raises ServerError."""
        size = self._loader.memory_bytes(version)
        if not self.isolates(version):
            return size
        return size + (_TENSORFLOW_BYTES if self.platform(version) == SAVED_MODEL_PLATFORM else _LITERT_BYTES)

    def platform(self, version: Path) -> str:
        """Return what would be executed, as the Open Inference Protocol calls it."""
        return self._loader.platform(version)

    @cached_property
    def _loader(self) -> EngineByFiles | EngineChooser:
        return self.options.loader()
