"""A server to measure: how it is started, and its process while it runs."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc
import psutil

from benchmarks.load import CACHE
from benchmarks.serving_speed.workload import Workload

ROOT = Path(__file__).parents[2]
PEERS = CACHE / "peers"
"""Environments of other servers, made by `make bench-peers`."""
_STARTS_WITHIN = 180.0
_STOPS_WITHIN = 10.0
_RECONNECT_MS = 20


class ServerFailed(RuntimeError):  # noqa: N818 - what happened, not what it is
    """A server did not start, or ended before its time."""


@dataclass(frozen=True)
class Server:
    """One line of the table of servers."""

    name: str
    command: str
    """May hold {python}, {here} (this folder), {repository}, {answers} (a file for the null handler), {port} of gRPC,
    {spare}, another free port, and {work}, an empty folder that goes when the server has ended."""
    note: str
    """What it is, for who reads a result."""
    protocols: tuple[str, ...] = ("predict", "infer")
    peer: str | None = None
    """The environment that it runs in, under PEERS; None: this one."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """The interpreter that runs it."""
        return PEERS / self.peer / "bin" / "python" if self.peer else Path(sys.executable)

    def is_installed(self) -> bool:
        """Tell whether its environment has been made."""
        return self.python.exists()

    def answers(self, workload: Workload) -> bool:
        """Tell whether it can be asked so."""
        return workload.protocol in self.protocols

    def start(self, folder: Path, answers: Path) -> "Running":
        """Start it on a free port.

        Args:
            folder: of models and rows.
            answers: what a null handler says.
        """
        port = _free_port()
        work = tempfile.TemporaryDirectory(prefix="serving-speed-")
        given = {
            "python": self.python,
            "here": Path(__file__).parent,
            "repository": folder / "repository",
            "answers": answers,
            "port": port,
            "spare": _free_port(),
            "work": work.name,
        }
        command = [part.format(**given) for part in self.command.split()]
        return Running(self.name, command, port, environment={**os.environ, **self.environment}, work=work)


@dataclass(frozen=True)
class Footprint:
    """Memory of a server and its children, in megabytes."""

    rss: float
    pss: float
    """Pages that several processes share are counted once between them."""


class Running:
    """A server's process. As a context it ends with it, and with all that it started."""

    def __init__(
        self,
        name: str,
        command: list[str],
        port: int,
        *,
        environment: Mapping[str, str],
        work: "tempfile.TemporaryDirectory[str]",
    ) -> None:
        """Start it. Ctrl-C does not reach it: what ends it is the end of the context."""
        self.name, self.target = name, f"127.0.0.1:{port}"
        self._work = work
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, cwd=ROOT, env=environment, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait_for_answer(self, method: str, request: bytes, fault: Callable[[bytes], str]) -> float:
        """Return the seconds from the start until this request has been answered rightly.

        Args:
            method: `/package.Service/Method`.
            request: serialized.
            fault: says what is wrong with an answer.

        Raises:
            ServerFailed: that has not happened after three minutes, or the server has ended.
        """
        options = [(f"grpc.{which}_reconnect_backoff_ms", _RECONNECT_MS) for which in ("initial", "min", "max")]
        problem = "it does not listen"
        with grpc.insecure_channel(self.target, options=options) as channel:
            call = channel.unary_unary(method)
            while time.perf_counter() - self._started < _STARTS_WITHIN:
                if self._process.poll() is not None:
                    raise ServerFailed(f"{self.name} ended with {self._process.returncode}: {self.said()}")
                try:
                    problem = fault(call(request, timeout=30, wait_for_ready=False))
                except grpc.RpcError as error:
                    problem = error.details()
                if not problem:
                    return time.perf_counter() - self._started
                time.sleep(_RECONNECT_MS / 1000)
        raise ServerFailed(f"{self.name} gave no right answer within {_STARTS_WITHIN:g} s: {problem}; {self.said()}")

    def rest(self) -> None:
        """Suspend it and its children."""
        for process in self._tree():
            process.suspend()

    def wake(self) -> None:
        """Have it go on; its children first, which it may find wanting otherwise."""
        for process in reversed(self._tree()):
            process.resume()

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, by it and its children that live."""
        total = 0.0
        for process in self._tree():
            times = process.cpu_times()
            total += times.user + times.system
        return total

    def footprint(self) -> Footprint:
        """Return what memory it takes now."""
        memory = [process.memory_full_info() for process in self._tree()]
        return Footprint(sum(each.rss for each in memory) / 1e6, sum(each.pss for each in memory) / 1e6)

    def said(self) -> str:
        """Return the end of what it wrote."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-1500:].strip()

    def end(self) -> None:
        """End it and its children: politely, then not."""
        try:
            tree = self._tree()
        except psutil.NoSuchProcess:
            tree = []
        for process in reversed(tree):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(tree, timeout=_STOPS_WITHIN)
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=_STOPS_WITHIN)
        self._process.wait(_STOPS_WITHIN)
        self._log.close()
        self._work.cleanup()

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
