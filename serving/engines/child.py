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
from collections.abc import Sequence

_NICE = 15


class ChildError(Exception):
    """A child process that did not do its work; the message says how it ended."""


def run_child(module: str, arguments: Sequence[str], *, seconds: float) -> None:
    """Run `python -m module arguments` and wait for its end; the module begins with `settle`.

    Raises:
        ChildError: it could not be started, failed, or took longer.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    with tempfile.TemporaryFile() as said:
        try:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
        except OSError as error:
            raise ChildError(f"no process can be started: {error}") from error
        with child:
            try:
                code = child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                raise ChildError(f"it took longer than {seconds:g} s") from None
        if code:
            said.seek(0)
            raise ChildError(_how_it_ended(code, said.read().decode(errors="replace")))


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
