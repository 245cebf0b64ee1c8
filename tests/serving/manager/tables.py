"""Tables of models, and engines that only count."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from serving.manager import Manager, State
from serving.model_ref import ModelRef
from serving.repository import ModelEntry, VersionPolicy
from serving.status import Code, ServerError, StatusError

ALL = VersionPolicy(latest=None)


class Engine:
    """Counts how many are open."""

    def __init__(self, engines: "Engines", path: Path) -> None:
        self.engines, self.path, self.closed = engines, path, False
        engines.events.append(f"load {path.parent.name}/{path.name}")

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True
        self.engines.events.append(f"close {self.path.parent.name}/{self.path.name}")


class Engines:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.faults = 0

    def load(self, path: Path) -> Engine:
        if (path / "broken").exists():
            self.faults += 1
            raise ServerError(f"{path.name} is broken")
        return Engine(self, path)


def model(name: str, folder: Path, policy: VersionPolicy = ALL, labels: Mapping[str, int] | None = None) -> ModelEntry:
    return ModelEntry(name, folder, policy, labels or {})


def specific(*versions: int) -> VersionPolicy:
    return VersionPolicy(latest=None, specific=frozenset(versions))


def live(manager: Manager, name: str) -> set[int]:
    return {status.version for status in manager.statuses(name) if status.state is State.AVAILABLE}


def asked(manager: Manager, name: str, label: str) -> int:
    with manager.lease(ModelRef(name, label=label)) as servable:
        return servable.version


def refused(manager: Manager, name: str, label: str) -> tuple[Code, str]:
    with pytest.raises(StatusError) as caught, manager.lease(ModelRef(name, label=label)):
        pass
    return caught.value.code, caught.value.message
