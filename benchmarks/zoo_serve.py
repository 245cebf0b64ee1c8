"""`zoo serve` in a process of its own."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PORT = re.compile(r"on port (\d+)")


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    pid: int
    port: int
    rest_port: int | None
    """Of HTTP; None where it was not asked for."""

    @property
    def target(self) -> str:
        """Its address, for gRPC."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def served(repository: str | Path, *flags: str) -> Iterator[Served]:
    """Serve a folder of models on any free port. Raises SystemExit where it does not start."""
    command = [sys.executable, "-m", "zoo", "serve", str(repository), "--host=127.0.0.1", "--port=0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("serving "):
                    break
            ports = {line.split()[0]: int(found[1]) for line in said if (found := _PORT.search(line))}
            if "serving" not in ports:
                raise SystemExit(f"the server did not start; {shlex.join(command)} says why")
            yield Served(process.pid, ports["serving"], ports.get("HTTP"))
        finally:
            process.terminate()
