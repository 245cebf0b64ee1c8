"""Work in a process of its own: what takes seconds, much memory, or may end the process that does it.

The child yields to everything else on the machine, may take so much time and memory, and ends with its parent.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO

from serving.status import ServerError

_NICE = 15


class ChildError(Exception):
    """A child process that did not do its work; the message says how it ended."""


def run_child(module: str, arguments: Sequence[str], *, seconds: float) -> None:
    """Run `python -m module arguments` and wait for its end; the module begins with `settle`.

    Raises:
        ChildError: it could not be started, failed, or took longer.
        ServerError: this process comes to its end, see `end_children`.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    with tempfile.TemporaryFile() as said:
        try:
            child = _CHILDREN.start(command, said)
        except OSError as error:
            raise ChildError(f"no process can be started: {error}") from error
        with child, _CHILDREN.holding(child):
            try:
                code = child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                raise ChildError(f"it took longer than {seconds:g} s") from None
        _CHILDREN.check()
        if code:
            said.seek(0)
            raise ChildError(_how_it_ended(code, said.read().decode(errors="replace")))


def end_children() -> None:
    """End the children there are, and start no more: for a process that was asked to end. From any thread."""
    _CHILDREN.end()


class Children:
    """Those of this process. State: which run, and whether more may, behind a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._are_over = False

    def start(self, command: Sequence[str], said: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start one. Raises ServerError where none may be, OSError where none can."""
        with self._lock:
            self._check()
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
            self._running.add(child)
        return child

    @contextlib.contextmanager
    def holding(self, child: "subprocess.Popen[bytes]") -> Iterator[None]:
        """Have one be among those that run for as long as the block lasts."""
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(child)

    def check(self) -> None:
        """Raise ServerError where all were ended: what one did, or did not, means nothing."""
        with self._lock:
            self._check()

    def end(self) -> None:
        """See `end_children`."""
        with self._lock:
            self._are_over = True
            for child in self._running:
                child.kill()

    def _check(self) -> None:
        if self._are_over:
            raise ServerError("this process was asked to end")


_CHILDREN = Children()


def settle(memory: int) -> None:
    """Have this process, a child, yield to others, take at most so many bytes of memory, and end with its parent."""
    with contextlib.suppress(OSError, AttributeError):  # not every system has priorities
        os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(ImportError, OSError, ValueError):  # nor limits
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    threading.Thread(target=_end_with_parent, name="zoo-parent", daemon=True).start()


def _end_with_parent() -> None:
    os.read(0, 1)  # returns when whoever holds the other end is gone
    os._exit(1)


def _how_it_ended(code: int, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = f": {lines[-1]}"[:300] if lines else ""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}{last}"
    return f"it ended with {code}{last}"
