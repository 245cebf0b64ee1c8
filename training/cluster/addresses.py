"""Which processes train together, and which of them this one is."""

import json
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from zoo.errors import ConfigError, did_you_mean

TF_CONFIG = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
_JOBS = ("chief", "worker", "ps")

Job = Literal["chief", "worker", "ps"]


@dataclass(frozen=True)
class Cluster:
    """The addresses of all processes, and the place of this one.

    Raises:
        ConfigError: an address is none, occurs twice, or this process is not among them.
    """

    workers: tuple[str, ...]
    """`host:port` of each; under `multi_worker` the first of them is the chief."""
    task: int = 0
    """Which of its job's processes this one is, counted from 0."""
    job: Job = "worker"
    """`ps` holds variables, `chief` hands out steps: both only under `parameter_server`."""
    coordinator: str | None = None
    servers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen = set[str]()
        for address in self.addresses:
            split_address(address)
            if address in seen:
                raise ConfigError(f"the cluster has {address} twice: every process needs an address of its own")
            seen.add(address)
        if not self.workers:
            raise ConfigError("the cluster has no worker: give the address of at least one")
        if not 0 <= self.task < len(self._mine):
            raise ConfigError(
                f"the cluster has {self.job} 0 to {len(self._mine) - 1}, but this is {self.job} {self.task}"
            )

    @property
    def _mine(self) -> tuple[str, ...]:
        of_job = {"worker": self.workers, "ps": self.servers, "chief": (self.coordinator,) if self.coordinator else ()}
        return of_job[self.job]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of all processes."""
        return (*((self.coordinator,) if self.coordinator else ()), *self.workers, *self.servers)

    @property
    def address(self) -> str:
        """Return the address of this process."""
        return self._mine[self.task]

    @property
    def name(self) -> str:
        """Return what to call this process."""
        return (
            "the chief"
            if self.job == "chief"
            else f"{'parameter server' if self.job == 'ps' else 'worker'} {self.task}"
        )

    @property
    def is_chief(self) -> bool:
        """Tell whether this process writes files and talks."""
        return self.job == "chief" or (self.job == "worker" and self.task == 0 and self.coordinator is None)

    def others(self) -> dict[str, str]:
        """Return the addresses of workers and parameter servers by what to call them."""
        return {
            **{f"worker {number}": address for number, address in enumerate(self.workers)},
            **{f"parameter server {number}": address for number, address in enumerate(self.servers)},
        }

    def in_step(self) -> Self:
        """Return the cluster whose workers train in step: a chief, where there is one, is the first of them."""
        if self.coordinator is None:
            return self
        task = 0 if self.job == "chief" else self.task + 1
        return type(self)(workers=(self.coordinator, *self.workers), task=task)

    def jobs(self) -> dict[str, list[str]]:
        """Return the addresses by job, as TensorFlow wants them."""
        found = {
            "chief": [self.coordinator] if self.coordinator else [],
            "worker": list(self.workers),
            "ps": list(self.servers),
        }
        return {job: addresses for job, addresses in found.items() if addresses}

    def to_tf_config(self) -> str:
        """Return the JSON that `from_environment` reads."""
        return json.dumps({"cluster": self.jobs(), "task": {"type": self.job, "index": self.task}})

    @classmethod
    def from_flags(cls, addresses: str, task: int | None) -> Self:
        """Make it of `--cluster host:port,host:port --task N`. Raises ConfigError."""
        workers = tuple(address.strip() for address in addresses.split(",") if address.strip())
        if task is None:
            raise ConfigError(
                f"--cluster has {len(workers)} workers: say which this one is, --task 0 to {len(workers) - 1}"
            )
        return cls(workers=workers, task=task)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Read TF_CONFIG; None where it is not set, or names no cluster.

        Raises:
            ConfigError: it is not JSON, or lacks something.
        """
        text = environment.get(TF_CONFIG, "").strip()
        if not text:
            return None
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"TF_CONFIG is not JSON ({error}): expected such as {EXAMPLE}") from None
        if not isinstance(found, dict):
            raise ConfigError(f"TF_CONFIG is {found!r:.60}, expected such as {EXAMPLE}")
        jobs = found.get("cluster")
        if not jobs:
            return None
        if not isinstance(jobs, dict):
            raise ConfigError(f"TF_CONFIG: cluster is {jobs!r:.60}, expected addresses by job, such as {EXAMPLE}")
        addresses = {job: _addresses(job, listed) for job, listed in jobs.items()}
        if len(addresses.get("chief", ())) > 1:
            raise ConfigError(f"TF_CONFIG: one process can be the chief, not {len(addresses['chief'])}")
        job, task = _task(found.get("task"), addresses)
        return cls(
            workers=addresses.get("worker", ()),
            task=task,
            job=job,
            coordinator=next(iter(addresses.get("chief", ())), None),
            servers=addresses.get("ps", ()),
        )


def _addresses(job: str, listed: Any) -> tuple[str, ...]:
    if job not in _JOBS:
        raise ConfigError(f"TF_CONFIG: there is no job {job!r} here; {did_you_mean(job, _JOBS)}")
    if not isinstance(listed, list) or not all(isinstance(address, str) for address in listed):
        raise ConfigError(f'TF_CONFIG: cluster.{job} is {listed!r:.60}, expected a list such as ["10.0.0.1:2222"]')
    return tuple(listed)


def _task(found: Any, addresses: Mapping[str, tuple[str, ...]]) -> tuple[Job, int]:
    if not isinstance(found, dict) or not {"type", "index"} <= found.keys():
        raise ConfigError(f"TF_CONFIG: task is {found!r:.60}, expected type and index, such as {EXAMPLE}")
    job, task = found["type"], found["index"]
    if not isinstance(job, str) or job not in addresses:
        raise ConfigError(f"TF_CONFIG: the cluster has no job {job!r}; {did_you_mean(str(job), addresses)}")
    if type(task) is int or (isinstance(task, str) and task.isdecimal()):
        return job, int(task)  # type: ignore[return-value]  # one of _JOBS: the addresses were checked
    raise ConfigError(f"TF_CONFIG: task.index is {task!r}, expected a number from 0")


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port` (`[::1]:2222` for IPv6). Raises ConfigError."""
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ConfigError(f"{address!r} is not the address of a worker: expected host:port, such as 10.0.0.1:2222")
    return found["host"].strip("[]"), int(found["port"])


def free_addresses(count: int) -> tuple[str, ...]:
    """Return so many addresses on this machine that nothing listens on, all different."""
    held: Sequence[socket.socket] = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return tuple(f"127.0.0.1:{server.getsockname()[1]}" for server in held)
    finally:
        for server in held:
            server.close()
