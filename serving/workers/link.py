"""The connection between a supervisor and one of its workers, as either end has it."""

import contextlib
import logging
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

logger = logging.getLogger(__name__)


class Link:
    """Messages of `serving.workers.messages`, both ways; a socket pair that only the two processes have.

    State: a queue and two threads, which end with the connection. `send` may be called from any thread.
    """

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        """Use a connection; nothing is received before `start`."""
        self._connection = connection
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self._sender = threading.Thread(target=self._send_all, name="zoo-link-out", daemon=True)
        self._sender.start()

    def start(self, received: Callable[[Any], None], ended: Callable[[], None]) -> None:
        """Begin; both are called in a thread of the link: for every message, and once the other end is gone."""
        threading.Thread(target=self._receive_all, args=(received, ended), name="zoo-link-in", daemon=True).start()

    def send(self, message: object) -> None:
        """Send a message, some time; one that the other end is not there for any more is dropped."""
        self._outbox.put(message)

    def flush(self, timeout: float) -> None:
        """Send what waits, and nothing after that."""
        self._outbox.put(None)
        self._sender.join(timeout)

    def _send_all(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._outbox.get()) is not None:
                self._connection.send(message)

    def _receive_all(self, received: Callable[[Any], None], ended: Callable[[], None]) -> None:
        try:
            with contextlib.suppress(EOFError, OSError):
                while True:
                    received(self._connection.recv())
        except Exception:
            logger.exception("what the other end says cannot be understood: was the program changed meanwhile?")
        finally:
            self._connection.close()
            ended()
