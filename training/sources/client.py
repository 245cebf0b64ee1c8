"""Running the program of a package registry: pip, apt-get, npm."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.sources.collection import MissingClientError, SourceError, Watch

_POLL_SECONDS = 0.2
_LINES_SHOWN = 3


def run_client(
    command: Sequence[str | Path],
    *,
    folder: Path,
    watch: Watch,
    remedy: str,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program in a folder, its temporary files there as well, until it ends; Ctrl-C ends it.

    Args:
        command: the program and its arguments.
        folder: where it runs and what it writes is counted for `watch`.
        watch: told how much lies in the folder.
        remedy: how to come by the program, for the message where it is missing.
        environment: variables to set for it.

    Raises:
        MissingClientError: there is no such program.
        SourceError: it failed; holds the last lines that it said.
    """
    program = shutil.which(command[0])
    if program is None:
        raise MissingClientError(str(command[0]), remedy)
    scratch = folder / ".client"
    scratch.mkdir(exist_ok=True)
    log = scratch / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [program, *map(str, command[1:])],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C.UTF-8", **(environment or {})},
            start_new_session=True,  # Ctrl-C comes to us alone; then all that it started ends together
        )
        try:
            _wait(process, folder, watch)
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        raise SourceError(_last_lines(log) or f"it ended with exit code {process.returncode} and said nothing")


def _wait(process: "subprocess.Popen[bytes]", folder: Path, watch: Watch) -> None:
    while True:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            watch(_size(folder))
        else:
            return


def _end(process: "subprocess.Popen[bytes]") -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it may be gone by now
            if path.is_file():
                total += path.stat().st_size
    return total


def _last_lines(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-_LINES_SHOWN:])
