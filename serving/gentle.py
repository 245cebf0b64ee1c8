"""Work that others hardly notice: what loads a model yields to what answers requests."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator

NICE = 10
"""Of the thread that loads: the operating system gives it what the others leave."""
_SWITCH_SECONDS = 2e-4
"""How long a thread may keep the interpreter where another wants it; Python's own 5 ms are an answer's whole time."""

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_inside = 0
_usual = 0.0


@contextlib.contextmanager
def gentle() -> Iterator[None]:
    """Run the block at a low priority, in this thread alone.

    State: while any thread is inside, threads of this process take turns more often. The thread's priority is not raised
    again, which needs a privilege: use a thread that ends with the work.
    """
    global _inside, _usual  # noqa: PLW0603 - the interval is the interpreter's, of which there is one
    with contextlib.suppress(OSError, AttributeError):  # not every system has priorities of threads
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    with _lock:
        if not _inside:
            _usual = sys.getswitchinterval()
            sys.setswitchinterval(min(_usual, _SWITCH_SECONDS))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                sys.setswitchinterval(_usual)
