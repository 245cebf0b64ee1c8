"""Engines of one model that only count."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from serving.manager import Manager, State
from serving.model_ref import ModelRef
from serving.status import ServerError


@dataclass
class Log:
    """What the engines of a test did, in order."""

    events: list[str] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)

    def load(self, path: Path) -> "CountingEngine":
        if path.name in self.refuse:
            raise ServerError(f"version {path.name} is broken")
        self.events.append(f"load {path.name}")
        return CountingEngine(path.name, self)


@dataclass
class CountingEngine:
    version: str
    log: Log
    closed: bool = False

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.closed:
            raise RuntimeError("ran after it was closed")
        return {"y": np.array([float(self.version)])}

    def close(self) -> None:
        self.closed = True
        self.log.events.append(f"close {self.version}")


def leased(manager: Manager, version: int | None = None) -> int:
    with manager.lease(ModelRef("m", version)) as servable:
        return servable.version


def states(manager: Manager) -> dict[int, State]:
    return {status.version: status.state for status in manager.statuses("m")}
