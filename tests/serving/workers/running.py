"""A `zoo serve --workers` as a person runs it, and a look at its workers from outside."""

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc

T = TypeVar("T")

OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
"""For a channel that shares its connection with no other."""
_TRIES = 100_000
_SAMPLE = re.compile(r"^(\w+){(.*)} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class _Answer:
    status: int
    body: str
    worker: int


class Running:
    """A running server of several processes, on gRPC and HTTP."""

    def __init__(self, *arguments: object, workers: int = 2, token: str = "") -> None:
        """Start one; `token` is shown where metrics are asked for."""
        command = ["serve", "--host=127.0.0.1", "--port=0", "--rest_api_port=-1", f"--workers={workers}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zoo", *command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline() + self.process.stdout.readline()
        ports = re.findall(r"on port (\d+)", said)
        if len(ports) != 2:
            raise AssertionError(f"no server: {said!r} {self.process.communicate()[1]}")
        self.rest, self.grpc = map(int, ports)
        self.target = f"127.0.0.1:{self.grpc}"
        self.token = token
        self.log = ""
        """As far as it was read."""
        self.wait_for(*(f"worker {worker}: listening on" for worker in range(workers)))

    def ask(self, path: str, body: str | None = None, *, verb: str = "GET", **headers: str) -> tuple[int, str]:
        """Send one request on a connection of its own, to whichever worker gets it."""
        answer = self._ask(path, body, verb, headers)
        return answer.status, answer.body

    def _ask(self, path: str, body: str | None, verb: str, headers: Mapping[str, str]) -> "_Answer":
        with closing(http.client.HTTPConnection("127.0.0.1", self.rest, timeout=30)) as connection:
            connection.request(verb, path, body, dict(headers))
            response = connection.getresponse()
            worker = int(response.headers.get("zoo-worker", -1))
            return _Answer(response.status, response.read().decode(), worker)

    def samples(self, name: str, **labels: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the samples of a metric that have these labels, as the labels and the value."""
        status, page = self.ask("/metrics", **({"authorization": f"Bearer {self.token}"} if self.token else {}))
        assert status == 200, page
        found = [
            (dict(re.findall(r'(\w+)="([^"]*)"', inside)), float(value))
            for each, inside, value in _SAMPLE.findall(page)
            if each == name
        ]
        return [(said, value) for said, value in found if labels.items() <= said.items()]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a metric that have these labels."""
        return sum(value for _, value in self.samples(name, **labels))

    def pids(self) -> dict[int, int]:
        """Return the processes of the workers that answer, by number."""
        return {int(said["worker"]): int(said["pid"]) for said, _ in self.samples("zoo_worker_info")}

    def of_every_worker(self, path: str, read: Callable[[str], T], workers: int = 2) -> dict[int, T]:
        """Return what each worker answers to a request, read from its body; the last of as many as it takes."""
        seen: dict[int, T] = {}
        for _ in range(_TRIES):
            answer = self._ask(path, None, "GET", {})
            seen[answer.worker] = read(answer.body)
            if len(seen) == workers:
                return seen
        raise AssertionError(f"not every worker was reached: {seen}")

    def kill(self, worker: int) -> None:
        """Kill a worker."""
        os.kill(self.pids()[worker], signal.SIGKILL)

    def log_until(self, *wanted: str) -> Iterator[str]:
        """Yield lines of the log until all of these were in one, in any order."""
        left = set(wanted)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line
            left -= {each for each in left if each in line}
            yield line
            if not left:
                return
        raise AssertionError(f"the log ended without {left}: {self.log}")

    def replace(self, worker: int) -> None:
        """Kill a worker, and wait for the one that takes its place."""
        self.kill(worker)
        self.wait_for(f"worker {worker}: listening on")

    def wait_for(self, *wanted: str) -> None:
        """Wait for lines of the log that have these in them, in any order."""
        for _ in self.log_until(*wanted):
            pass

    def channel(self) -> grpc.Channel:
        """Return a channel whose connection is its own."""
        return grpc.insecure_channel(self.target, options=OWN_CONNECTION)

    def terminate(self) -> tuple[int, str]:
        """Send SIGTERM; returns the exit code and the log."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Return the exit code and all of the log, once it and its workers have ended."""
        _, rest = self.process.communicate(timeout=60)
        return self.process.returncode, self.log + rest

    def clean_up(self) -> None:
        """End it, whatever state it is in; its workers end once it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def install(shipped: str, version_folder: Path) -> None:
    """Put the model.tflite of a shipped model into a version folder: it takes no TensorFlow to be served."""
    source = Path(__file__).parents[3] / "saved_models" / shipped / "1" / "model.tflite"
    version_folder.mkdir(parents=True)
    (version_folder / "model.tflite").write_bytes(source.read_bytes())
