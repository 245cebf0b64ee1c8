"""Many models whose engines only count, so that memory, loads and uses can be worked out with a pencil."""

import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from serving.lease import DormantError, Lease
from serving.manager import Loading, Manager, State
from serving.model_ref import ModelRef
from serving.protos import prediction_pb2 as pb
from serving.repository import Repository, VersionPolicy
from serving.signature import DEFAULT_SIGNATURE
from serving.status import ServerError, StatusError

MIB = 1 << 20
PATIENCE = 30
"""Seconds; what takes longer hangs."""


def write_version(root: Path, model: str, version: int, size: int = 1, *, broken: bool = False) -> Path:
    """Write a version that takes `size` MiB; its folder appears whole."""
    staging = root / model / f".incoming-{version}"
    staging.mkdir(parents=True)
    (staging / "size").write_text(str(size), encoding="utf-8")
    if broken:
        (staging / "broken").touch()
    return staging.rename(root / model / str(version))


@dataclass(eq=False)
class Engine:
    """`y = x + version`."""

    path: Path
    fleet: "Fleet"
    closed: bool = False

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert not self.closed
        return {"y": inputs["x"] + float(self.path.name)}

    def close(self) -> None:
        with self.fleet.lock:
            assert not self.closed
            self.closed = True
            self.fleet.memory.remove(self)


@dataclass
class Fleet:
    """Loads engines, and remembers which were loaded at once.

    A load of a model in `gates` says so in `loading`, and waits.
    """

    memory: list[Engine] = field(default_factory=list)
    loads: Counter[str] = field(default_factory=Counter)
    """By `model/version`."""
    largest: int = 0
    """MiB that were in memory at once."""
    twice: list[str] = field(default_factory=list)
    """Versions that were loaded while they were in memory."""
    gates: dict[str, threading.Event] = field(default_factory=dict)
    loading: dict[str, threading.Event] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def gate(self, model: str) -> threading.Event:
        """Have the loads of a model wait for the event that this returns."""
        self.gates[model], self.loading[model] = threading.Event(), threading.Event()
        return self.gates[model]

    def read_signature_defs(self, version: Path) -> pb.SignatureDefMap:
        """See SignatureReader."""
        found = pb.SignatureDefMap()
        for name, tensors in (("x", "inputs"), ("y", "outputs")):
            info = getattr(found.signature_def[DEFAULT_SIGNATURE], tensors)[name]
            info.name, info.dtype = f"{name}:0", 1
            info.tensor_shape.dim.add(size=-1)
        found.signature_def[DEFAULT_SIGNATURE].method_name = "tensorflow/serving/predict"
        return found

    def memory_bytes(self, version: Path) -> int:
        """See FootprintReader."""
        try:
            return int((version / "size").read_text(encoding="utf-8")) * MIB
        except (OSError, ValueError):
            raise ServerError(f"{version} has no size") from None

    def __call__(self, version: Path) -> Engine:
        """See EngineLoader."""
        model, name = version.parent.name, f"{version.parent.name}/{version.name}"
        engine = Engine(version, self)
        with self.lock:  # what is being loaded is in memory already
            if any(each.path == version for each in self.memory):
                self.twice.append(name)
            self.memory.append(engine)
            self.loads[name] += 1
            self.largest = max(self.largest, sum(self.memory_bytes(each.path) for each in self.memory) // MIB)
        if model in self.gates:
            self.loading[model].set()
            assert self.gates[model].wait(PATIENCE)
        if (version / "broken").exists():
            engine.close()
            raise ServerError("it is broken")
        return engine

    def live(self) -> set[str]:
        """Return what is in memory, as `model/version`."""
        return {f"{each.path.parent.name}/{each.path.name}" for each in self.memory}

    def manager(
        self, root: Path, *, budget: int | None = None, versions: str = "latest", threads: int = 0, **loading: object
    ) -> Manager:
        """Return a manager that loads on first use, with a budget of so many MiB, once it has looked at its models."""
        how = Loading(
            threads=threads,
            on_first_use=True,
            memory_bytes=None if budget is None else budget * MIB,
            **{"room_seconds": 0.0, **loading},  # type: ignore[arg-type]
        )
        made = Manager(Repository(root, policy=VersionPolicy.parse(versions)), self, loading=how)
        made.refresh()
        return made


def ask(manager: Manager, model: str, version: int | None = None) -> "Future[Lease]":
    """Return a lease to come, as the predictor asks for one."""
    wanted = ModelRef(model, version)
    try:
        lease = manager.lease(wanted)
    except DormantError:
        return manager.lease_loaded(wanted)
    answer: Future[Lease] = Future()
    answer.set_result(lease)
    return answer


def use(manager: Manager, model: str, version: int | None = None) -> int:
    """Ask a model something, and return which version answered."""
    with ask(manager, model, version).result(PATIENCE) as servable:
        return servable.version


def states(manager: Manager, model: str) -> dict[int, State]:
    return {status.version: status.state for status in manager.statuses(model)}


def refusal(manager: Manager, model: str, version: int | None = None) -> StatusError:
    with pytest.raises(StatusError) as caught:
        use(manager, model, version)
    return caught.value
