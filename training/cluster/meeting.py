"""Workers meet before TensorFlow starts: it would wait for a missing one without a word, and find out nothing else.

The chief listens at its address; every other worker tells it who it is and what it is about to train, a line of JSON each
way. So each learns in bounded time, in words, who is missing or different. The addresses are free again afterwards.
"""

import contextlib
import json
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.cluster.addresses import Cluster, split_address
from zoo.errors import ConfigError

REMARK_SECONDS = 10.0
"""After so long, somebody who waits says for whom."""
RETRY_SECONDS = 0.2
_LONGEST = 1 << 20
_log = logging.getLogger(__name__)

Facts = Mapping[str, Any]


def meet(cluster: Cluster, facts: Facts, *, seconds: float) -> None:
    """Wait until all workers are there, and see that they are about to do the same.

    Args:
        cluster: who is expected; the first worker is the chief.
        facts: what has to be equal, as JSON knows it; in a mapping of mappings, the first field that differs is named.
        seconds: how long to wait.

    Raises:
        ConfigError: the same on every worker that came: one is missing or different, or this worker's port is taken.
    """
    if len(cluster.workers) == 1:
        return
    deadline = time.monotonic() + seconds
    if cluster.is_chief:
        with listen_at(cluster) as server:
            _Chief(cluster, facts, server).gather(deadline, seconds)
    else:
        listen_at(cluster).close()  # to see that the port is free
        _ask_chief(cluster, facts, deadline, seconds)


@dataclass
class _Chief:
    cluster: Cluster
    facts: Facts
    server: socket.socket

    def gather(self, deadline: float, seconds: float) -> None:
        found: dict[int, socket.socket] = {}
        with contextlib.ExitStack() as open_sockets:
            trouble = self._gather(deadline, seconds, found, open_sockets)
            for connection in found.values():
                with contextlib.suppress(OSError):
                    connection.sendall(json.dumps({"error": trouble}).encode() + b"\n")
            for connection in found.values():  # who closes first keeps the port busy for a while: let them
                with contextlib.suppress(OSError):
                    connection.settimeout(2)
                    connection.recv(1)
        if trouble:
            raise ConfigError(trouble)

    def _gather(
        self, deadline: float, seconds: float, found: dict[int, socket.socket], stack: contextlib.ExitStack
    ) -> str | None:
        remark = time.monotonic() + REMARK_SECONDS
        while len(found) < len(self.cluster.workers) - 1:
            missing = [a for n, a in enumerate(self.cluster.workers) if n and n not in found]
            wait = min(deadline, remark) - time.monotonic()
            if wait <= 0 and time.monotonic() >= deadline:
                chief = self.cluster.address
                return f"{_listed(missing)} did not come to the chief ({chief}) within {seconds:g} s: {_CHECK}"
            if wait <= 0:
                _log.warning("waiting for %s, until %g s are over", _listed(missing), seconds)
                remark = deadline
                continue
            self.server.settimeout(wait)
            try:
                connection = stack.enter_context(self.server.accept()[0])
                connection.settimeout(max(0.1, min(5, deadline - time.monotonic())))
                heard = read_message(connection)
                task = heard["task"]
            except (OSError, ValueError, KeyError, TypeError):
                continue  # nobody's time is up yet, or somebody else knocked
            if type(task) is not int or not 0 < task < len(self.cluster.workers):
                return f"a worker says that it is worker {task!r} of {len(self.cluster.workers)}: {_CHECK}"
            if task in found:
                return f"two workers say that they are worker {task}: give each its own --task (TF_CONFIG: task.index)"
            found[task] = connection
            different = first_difference(self.facts, heard.get("facts", {}))
            if different:
                who = f"worker {task} ({self.cluster.workers[task]})"
                return (
                    f"{who} differs from the chief in {different}: start all workers with the same recipe and versions"
                )
        return None


_CHECK = "see that every worker was started, with the same cluster addresses, and that they reach each other"


def _ask_chief(cluster: Cluster, facts: Facts, deadline: float, seconds: float) -> None:
    chief = cluster.workers[0]
    remark, reason = time.monotonic() + REMARK_SECONDS, "no answer"
    while (left := deadline - time.monotonic()) > 0:
        if time.monotonic() > remark:
            _log.warning(
                "worker %d waits for the chief at %s (%s), until %g s are over", cluster.task, chief, reason, seconds
            )
            remark = deadline
        try:
            with socket.create_connection(split_address(chief), timeout=min(left, 5)) as connection:
                told = {"task": cluster.task, "facts": facts}
                connection.sendall(json.dumps(told).encode() + b"\n")
                connection.settimeout(left + 5)  # the chief tells in time who is missing
                answer = read_message(connection)
        except (OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            time.sleep(min(RETRY_SECONDS, max(0.0, deadline - time.monotonic())))
            continue
        if answer.get("error"):
            raise ConfigError(str(answer["error"]))
        return
    raise ConfigError(
        f"worker {cluster.task} ({cluster.address}) could not reach the chief at {chief} within {seconds:g} s "
        f"({reason}): {_CHECK}"
    )


def listen_at(cluster: Cluster) -> socket.socket:
    """Return a socket that listens at the address of this process. Raises ConfigError."""
    port = split_address(cluster.address)[1]
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise ConfigError(
            f"{cluster.name} cannot listen at its address {cluster.address} ({error.strerror}): is it already running?"
        ) from None


def read_message(connection: socket.socket) -> dict[str, Any]:
    """Return what the other side says, one object of JSON. Raises OSError or ValueError."""
    text = b""
    while not text.endswith(b"\n"):
        piece = connection.recv(65536)
        if not piece or len(text) > _LONGEST:
            raise ValueError("the other side said nothing whole")
        text += piece
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("expected an object")  # noqa: TRY004 - of a message, like one that is no JSON
    return found


def first_difference(mine: Any, theirs: Any, path: str = "") -> str:
    """Return the first thing that differs, in words; empty where all is equal."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        for name in sorted({*mine, *theirs}):
            found = first_difference(mine.get(name), theirs.get(name), f"{path}.{name}".lstrip("."))
            if found:
                return found
        return ""
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        mine, theirs = list(mine), list(theirs)
    return "" if mine == theirs else f"{path} ({theirs!r:.60}, the chief has {mine!r:.60})"


def _listed(addresses: list[str]) -> str:
    return f"the worker{'s' if len(addresses) > 1 else ''} at {', '.join(addresses)}"
