"""Running the program of a package registry: pip, apt-get, npm, tfds."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from training.sources.collection import MissingClientError, SourceError, Watch

PATIENCE = 60.0
"""Seconds without anything new after which a program is given up: without a network TFDS would try for minutes."""
_POLL_SECONDS = 0.2
_LINES_SHOWN = 3
_LINE_SHOWN = 240
_LOG = "client.log"


def run_client(
    command: Sequence[str | Path], *, folder: Path, watch: Watch, remedy: str, patience: float = PATIENCE
) -> None:
    """Run a program in a folder, its temporary files there as well, until it ends; Ctrl-C ends it.

    Args:
        command: the program and its arguments.
        folder: where it runs; what it writes there is counted for `watch`.
        watch: told how much lies in the folder.
        remedy: how to come by the program, for the message where it is missing.
        patience: seconds without anything new in the folder after which it is ended.

    Raises:
        MissingClientError: there is no such program.
        SourceError: it failed, and this holds the last lines that it said; or nothing came.
    """
    program = shutil.which(command[0])
    if program is None:
        raise MissingClientError(str(command[0]), remedy)
    scratch = folder / ".client"
    scratch.mkdir(exist_ok=True)
    log = scratch / _LOG
    with log.open("wb") as said:
        process = subprocess.Popen(
            [program, *map(str, command[1:])],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # Ctrl-C comes to us alone; then all that it started ends together
        )
        try:
            _wait(process, folder, watch, patience)
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        raise SourceError(_last_lines(log) or f"it ended with exit code {process.returncode} and said nothing")


def _wait(process: "subprocess.Popen[bytes]", folder: Path, watch: Watch, patience: float) -> None:
    largest, since = 0, time.monotonic()
    while True:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            size = _size(folder)
            watch(size)
            if size > largest:
                largest, since = size, time.monotonic()
            elif time.monotonic() - since > patience:
                raise SourceError(f"nothing came for {patience:g} s: is there a network?") from None
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
    """Return the bytes in a folder without those of the log: to try again is not to get on."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it may be gone by now
            if path.is_file() and path.name != _LOG:
                total += path.stat().st_size
    return total


def _last_lines(log: Path) -> str:
    lines = [line.strip()[:_LINE_SHOWN] for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-_LINES_SHOWN:])
