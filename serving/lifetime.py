"""From the first signal to the exit code: how a process that serves comes to its end."""

import contextlib
import logging
import os
import signal
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from serving.engines.child import end_children

if TYPE_CHECKING:
    from types import FrameType

    from serving.server import Server

logger = logging.getLogger(__name__)

GLANCE = 1.0
"""Seconds that the main thread waits at a time. Python answers signals there alone, and the system may give one to another
thread, as it does to a process that was stopped and goes on: that does not wake the one that waits."""


def until_asked_to_stop(asked: "SimpleQueue[Any]") -> None:
    """Have SIGTERM and SIGINT put their number into a queue; a second one ends the process at once."""
    # A queue, since it is reentrant, unlike threading.Event: a signal that comes while the main thread enters `wait`
    # would deadlock in `set`.

    def stop(number: int, frame: "FrameType | None") -> None:  # noqa: ARG001 - the shape of a signal handler
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        asked.put(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def wait_for_stop(told: "SimpleQueue[Any]") -> Any:
    """Return what a queue is given once a signal asks for the end. For the main thread."""
    while True:
        with contextlib.suppress(Empty):
            return told.get(timeout=GLANCE)


def load_no_more_then(asked: "SimpleQueue[Any]", server: "Server") -> "SimpleQueue[Any]":
    """Have a server load no further model once it is asked to stop, be it while it starts, nor try any out any longer.

    Returns:
        The queue to wait at in place of the one that says so.
    """
    told: SimpleQueue[Any] = SimpleQueue()

    def pass_on() -> None:
        number = asked.get()
        logger.info("asked to stop; a second signal ends the process at once")
        server.manager.load_no_more()
        end_children()
        told.put(number)

    threading.Thread(target=pass_on, name="zoo-asked", daemon=True).start()
    return told


def prepare_tensorflow() -> None:
    """Have TensorFlow keep its remarks to itself, if it is ever imported: that is done when it is needed."""
    from zoo.tensorflow_noise import LEVEL

    os.environ.setdefault(LEVEL, "2")


def drain(server: "Server", grace: float) -> int:
    """Stop a server, and return the exit code; where something still runs after so many seconds, end the process with 1."""
    logger.info("draining for up to %g s", grace)
    if server.stop(grace):
        return 0
    logger.warning("something was still running after %g s, or a load under way; its callers were told", grace)
    logging.shutdown()
    os._exit(1)  # a thread that computes cannot be ended otherwise
