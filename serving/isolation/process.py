"""A process that runs one version, as the server has it."""

import contextlib
import json
import logging
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any

from serving.isolation import heartbeat
from serving.isolation.heartbeat import Heartbeat, is_at_rest
from serving.isolation.leisure import STARVED, StarvedError
from serving.isolation.messages import ASK, CONNECT, Connection, Message
from serving.isolation.order import Order
from serving.status import ServerError

logger = logging.getLogger(__name__)

_HOST = "serving.isolation"
_END_SECONDS = 5.0
"""For a process to end once nobody holds it, and for the operating system to say how it ended."""

_HUNG = f"hung, without a sign of life for {heartbeat.LOOK_SECONDS * heartbeat.MOST_MISSED:g} s, and was killed"

Facts = Mapping[str, Any]


class ProcessEndedError(Exception):
    """The process is not there any more; the message says how it ended."""


class HostProcess:
    """A process of `serving.isolation`. Any thread may call it.

    A socket pair leads to it: it comes to its end when this end is closed, however the server ends. Calls have sockets of
    their own, one for each that there was at once, which are handed over through the first.

    One that hangs is killed (see Heartbeat): callers look after it while they wait.

    State: idle connections behind a lock; how it ended; and a thread that hears what the process says, until its end.
    """

    def __init__(self, order: Order, ended: Callable[["HostProcess"], None]) -> None:
        """Start it, by the priority of this thread, which the process will have.

        Args:
            order: what it runs.
            ended: is called in a thread when it has ended, not where `close` had it do so.

        Raises:
            ServerError: the system starts no process.
        """
        self._tell_ended = ended
        self._loaded: Future[Facts] = Future()
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closing = False
        self._ended = threading.Event()
        self.how = "is about to end"
        """How it ended."""
        own, other = socket.socketpair()
        try:
            with other:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", _HOST, str(other.fileno()), json.dumps(asdict(order))],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[other.fileno()],
                    process_group=0,  # Ctrl-C at the terminal reaches the server, which drains
                )
        except OSError as error:
            own.close()
            raise ServerError(f"no process can be started for {order.version}: {error}") from error
        self._control, self._hearing = own, Connection(own)
        self.pid = self._process.pid
        self._heartbeat = Heartbeat(self._ask, self._rests)
        self._hangs = False
        threading.Thread(target=self._hear_all, name="zoo-host", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether it is not there any more."""
        return self._ended.is_set()

    @property
    def has_loaded(self) -> bool:
        """Whether it got as far as to answer calls."""
        return self._loaded.done() and self._loaded.exception() is None

    def await_loaded(self) -> Facts:
        """Wait until the version is loaded, and return what the process says of it.

        Raises:
            ServerError: it cannot be loaded, or hangs.
            StarvedError: the load yields, and others left it no processor; the process ends.
        """
        while True:
            try:
                return self._loaded.result(heartbeat.LOOK_SECONDS)
            except TimeoutError:
                self._look()

    def call(self, message: Message) -> Message:
        """Return the answer to a message.

        Raises:
            ProcessEndedError: there is none, since the process has ended, or hung and was killed.
            TypeError: the message cannot be sent.
        """
        connection = self._take()
        try:
            connection.send(message)
            answer = connection.receive()
        except (EOFError, OSError) as error:
            connection.close()
            self._ended.wait(_END_SECONDS)
            raise ProcessEndedError(self.how) from error
        except BaseException:
            connection.close()  # who knows what of it was read
            raise
        with self._lock:
            if not self._closing:
                self._idle.append(connection)
                return answer
        connection.close()
        return answer

    def close(self) -> None:
        """Have it end, by force where it does not; returns once it is gone. No call may be running."""
        with self._lock:
            self._closing = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self._hang_up()
        if not self._ended.wait(_END_SECONDS):
            logger.warning("process %d does not end: it is killed", self.pid)
            self._process.kill()
            self._ended.wait()

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        own, other = socket.socketpair()
        with other:
            try:
                socket.send_fds(self._control, [CONNECT], [other.fileno()])
            except OSError as error:
                own.close()
                self._ended.wait(_END_SECONDS)
                raise ProcessEndedError(self.how) from error
        return Connection(own, self._look, every=heartbeat.LOOK_SECONDS)

    def _look(self) -> None:
        if self._heartbeat.finds_hung():
            self._hangs = True
            self._process.kill()

    def _ask(self) -> None:
        with contextlib.suppress(OSError):  # it has ended, or takes nothing
            self._control.send(ASK, socket.MSG_DONTWAIT)

    def _rests(self) -> bool:
        unread = select.poll()
        try:
            unread.register(self._control, select.POLLIN)
        except ValueError:  # it has ended
            return False
        return not unread.poll(0) and is_at_rest(self.pid)

    def _hear_all(self) -> None:
        try:
            with contextlib.suppress(EOFError, OSError):
                while True:
                    said = self._hearing.receive()
                    self._heartbeat.hear()
                    self._hear(said.facts)
        except Exception:
            logger.exception("what process %d says cannot be understood", self.pid)
        self._hang_up()
        code = self._process.wait()
        self.how = _HUNG if self._hangs else _how(code)
        self._ended.set()
        with self._lock:
            idle, self._idle = self._idle, []
            closing = self._closing
        for connection in idle:
            connection.close()
        self._hearing.close()
        if not self._loaded.done():
            starved = StarvedError("others left it no processor")
            ended = ServerError(f"the process that loads it {self.how}")
            self._loaded.set_exception(starved if code == STARVED else ended)
        if not closing:
            self._tell_ended(self)

    def _hear(self, facts: Facts) -> None:
        match facts["what"]:
            case "log":
                logging.getLogger(facts["logger"]).log(facts["level"], "%s", facts["message"])
            case "loaded":
                self._loaded.set_result(facts)
            case "failed":
                self._loaded.set_exception(ServerError(facts["message"]))

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):  # the process was first
            self._control.shutdown(socket.SHUT_RDWR)


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
