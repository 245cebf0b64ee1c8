"""Which workers and parameter servers are there: each keeps a connection to the chief for as long as it serves.

So the chief knows who is missing, lost or back, and the others know whether the chief is through or died. TensorFlow tells
neither side: a server of its own never ends, and does not notice. The chief listens at its address in the cluster, which
TensorFlow does not need; a message is a line of JSON.
"""

import contextlib
import json
import logging
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

from training.cluster.addresses import Cluster
from training.cluster.meeting import Facts, first_difference, listen_at, read_message
from zoo.errors import ConfigError

REMARK_SECONDS = 10.0
"""After so long, the chief says for whom it waits."""
_HELLO_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Attendance:
    """The chief's list of who is there. May be used from any thread; one per connection keeps it."""

    def __init__(self, cluster: Cluster, facts: Facts, *, seconds: float) -> None:
        """Begin to listen.

        Args:
            cluster: who is expected.
            facts: what has to be equal in all processes.
            seconds: how long to wait for those that are not there.

        Raises:
            ConfigError: the address of this process is taken.
        """
        self._cluster = cluster
        self._facts = facts
        self._seconds = seconds
        self._changed = threading.Condition()
        self._there: dict[str, socket.socket] = {}
        self._known: set[str] = set()
        self._different: str | None = None
        self._closed = False
        self._alone_since: float | None = None
        self._asks_to_stop = False
        self._door = listen_at(cluster)
        threading.Thread(target=self._receive, name="attendance", daemon=True).start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let everybody go."""
        self.dismiss()

    @property
    def asks_to_stop(self) -> bool:
        """Tell whether somebody that cannot be done without was asked to stop."""
        return self._asks_to_stop

    @property
    def is_deserted(self) -> bool:
        """Tell whether there has been no worker for as long as one is waited for."""
        with self._changed:
            return self._alone_since is not None and time.monotonic() - self._alone_since > self._seconds

    def lost_servers(self, seconds: float) -> list[str]:
        """Return which parameter servers left, after waiting so long for one to have."""
        with self._changed:
            self._changed.wait_for(self._lost_servers, timeout=seconds)
            return self._lost_servers()

    def await_all(self) -> None:
        """Wait until everybody is there.

        Raises:
            ConfigError: somebody is missing, or differs from the chief.
        """
        deadline = time.monotonic() + self._seconds
        remark = time.monotonic() + REMARK_SECONDS
        with self._changed:
            while not self._different and (missing := self._missing()):
                now = time.monotonic()
                if now >= deadline:
                    raise ConfigError(
                        f"{_listed(missing)} did not come to the chief ({self._cluster.address}) within "
                        f"{self._seconds:g} s: see that every process was started, with the same cluster addresses, and "
                        "that they reach each other"
                    )
                if now >= remark:
                    _log.warning("waiting for %s, until %g s are over", _listed(missing), self._seconds)
                    remark = deadline
                self._changed.wait(min(deadline, remark) - now)
            if self._different:
                raise ConfigError(self._different)

    def dismiss(self) -> None:
        """Tell everybody that the chief is through."""
        with self._changed:
            self._closed = True
            there = list(self._there.values())
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()  # first: who is let go may knock at once, for the next run
        for connection in there:
            with contextlib.suppress(OSError):
                connection.sendall(_line({"through": True}))

    def _missing(self) -> dict[str, str]:
        return {name: address for name, address in self._cluster.others().items() if name not in self._there}

    def _lost_servers(self) -> list[str]:
        return sorted(name for name in self._known - self._there.keys() if name.startswith("parameter server"))

    def _receive(self) -> None:
        while not self._closed:
            try:
                connection = self._door.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        """Follow one connection from its first message to its end."""
        with connection:
            try:
                connection.settimeout(_HELLO_SECONDS)
                heard = read_message(connection)
                name, trouble = self._welcome(heard, connection)
                connection.sendall(_line({"error": trouble}))
            except (OSError, ValueError):
                return  # somebody else knocked
            if trouble:
                return
            connection.settimeout(None)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            with contextlib.suppress(OSError, ValueError):
                while read_message(connection):
                    self._asks_to_stop = True
            self._leave(name, connection)

    def _welcome(self, heard: dict[str, Any], connection: socket.socket) -> tuple[str, str | None]:
        name, others = str(heard.get("name")), self._cluster.others()
        different = first_difference(self._facts, heard.get("facts", {}))
        with self._changed:
            if self._closed:
                raise ConnectionAbortedError
            if name not in others:
                return name, f"the chief knows no {name}: give all processes the same cluster"
            if different:
                self._different = (
                    f"{name} ({others[name]}) differs from the chief in {different}: start all processes with the same "
                    "versions and addresses"
                )
                self._changed.notify_all()
                return name, self._different
            if name in self._known:
                _log.warning("%s (%s) is back", name, others[name])
            self._there[name] = connection
            self._known.add(name)
            if name.startswith("worker"):
                self._alone_since = None
            self._changed.notify_all()
        return name, None

    def _leave(self, name: str, connection: socket.socket) -> None:
        with self._changed:
            if self._there.get(name) is not connection:
                return  # it came back before its end was noticed
            del self._there[name]
            if self._closed:
                return
            if name.startswith("worker"):
                _log.warning("%s is gone: the others take its steps, until it comes back", name)
                if not any(other.startswith("worker") for other in self._there):
                    self._alone_since = time.monotonic()
            self._changed.notify_all()


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _listed(missing: dict[str, str]) -> str:
    return ", ".join(f"{name} ({address})" for name, address in missing.items())
