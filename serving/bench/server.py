"""The server that is measured: `zoo serve` as a process of its own, on a free port of this machine."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.status import ServerError

_SERVING = re.compile(r"on port (\d+)(?: by .*)?; Ctrl-C stops")
_GRACE = 10.0


@dataclass(frozen=True)
class BenchServer:
    """It runs."""

    process: subprocess.Popen[str]
    port: int
    start_seconds: float
    """From its start until its models answer."""

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float | None:
        """Return the processor time that it has taken, with its own processes; None where only Linux tells."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            tick = os.sysconf("SC_CLK_TCK")
            told = [Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace") for pid in self._pids()]
            return sum(sum(map(int, each.rpartition(")")[2].split()[11:13])) for each in told) / tick
        return None

    def resident_mb(self) -> float | None:
        """Return the memory that it holds, with its own processes; None where only Linux tells."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            page = os.sysconf("SC_PAGE_SIZE")
            told = [Path(f"/proc/{pid}/statm").read_text(encoding="ascii") for pid in self._pids()]
            return sum(int(each.split()[1]) for each in told) * page / 1e6
        return None

    def _pids(self) -> list[int]:
        found, left = [], [self.process.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):  # it ended
                    left += map(int, (thread / "children").read_text(encoding="ascii").split())
        return found


@contextlib.contextmanager
def started(repository: Path, flags: Sequence[str]) -> Iterator[BenchServer]:
    """Serve a repository until the block ends.

    Args:
        repository: folder of models.
        flags: further ones of `zoo serve`.

    Raises:
        ServerError: it ended before it served; the message says what it said.
    """
    command = [sys.executable, "-m", "zoo", "serve", str(repository), "--host=127.0.0.1", "--port=0", *flags]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            [*command, "--log_level=warning"],
            stdout=subprocess.PIPE, stderr=said, text=True, errors="replace",
            start_new_session=True,  # Ctrl-C is for who measures, who ends it
        )  # fmt: skip
        try:
            port = _wait(process)
            if port is None:
                said.seek(0)
                raise ServerError(f"zoo serve ended with {process.wait()}: {said.read().strip()[-2000:] or 'no word'}")
            yield BenchServer(process, port, time.monotonic() - began)
        finally:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _wait(process: "subprocess.Popen[str]") -> int | None:
    """Return the port, once it is told; None where the process ends before."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    for line in process.stdout:
        found = _SERVING.search(line)
        if found:
            return int(found[1])
    return None
