"""Starts workers, watches them, and puts a new one in the place of one that ended.

No other process can take their ports, which the supervisor holds without listening. It loads no model and answers no call.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from serving.config import ServerConfig
from serving.cores import shares
from serving.lifetime import GLANCE
from serving.status import ServerError
from serving.workers.environment import worker_environment
from serving.workers.exchanges import Exchanges
from serving.workers.link import Link
from serving.workers.messages import Answer, Listen, Listening, Loaded, Orders, Refused, Request, WorkerState
from serving.workers.ports import Ports, held_ports
from serving.workers.restarts import Restarts

logger = logging.getLogger(__name__)

_LAST_SECONDS = 10.0
"""After the grace, for workers to end."""


class Supervisor:
    """Runs the workers of a config. `run` is for the main thread.

    State: the workers there are, and when those that are not are started again; changed by `run` alone, which takes one
    event after the other: what workers say, that one has ended, and the number of a signal.
    """

    def __init__(
        self,
        config: ServerConfig,
        flags: Mapping[str, Any],
        *,
        grace: float,
        events: "SimpleQueue[Any]",
        serving: Callable[[Ports], None],
    ) -> None:
        """Prepare; nothing is started before `run`.

        Args:
            config: how the server behaves, with the number of its workers.
            flags: those of the command line that say the same to a worker.
            grace: seconds that running requests may take at the end.
            events: where the number of a signal that asks for the end arrives.
            serving: is called once all workers take calls.
        """
        self._config = config
        self._flags = flags
        self._grace = grace
        self._tell_serving = serving
        self._events = events
        self._count = config.workers or 1
        self._cores = shares(self._count)
        self._workers: dict[int, _Worker] = {}
        self._restarts = {number: Restarts() for number in range(self._count)}
        self._due: dict[int, float] = {}
        self._exchanges = Exchanges()
        self._serves = False
        self._is_ending = False
        self._kill_at: float | None = None
        """When workers that have not ended are killed."""
        self._fatal: str | None = None
        self._code = 0

    def run(self) -> int:
        """Run until a signal asks for the end. Returns the exit code: 0, or 1 where something was still running at the end.

        Raises:
            ServerError: a port cannot be had, or a worker cannot be started.
        """
        with held_ports(self._config) as ports:
            self._ports = ports
            for number in range(self._count):
                self._start(number)
            while self._workers or self._due:
                self._take_event()
        if self._fatal is not None:
            raise ServerError(self._fatal)
        return self._code

    def _take_event(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number)
        wake_at = min([now + GLANCE, *self._due.values(), *([] if self._kill_at is None else [self._kill_at])])
        try:
            event = self._events.get(timeout=max(0.0, wake_at - now))
        except Empty:
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill()
            return
        if isinstance(event, int):
            logger.info("draining for up to %g s", self._grace)
            self._end()
        else:
            worker, message = event
            self._hear(worker, message)

    def _start(self, number: int) -> None:
        worker = _Worker(number, self._cores[number])
        self._workers[number] = worker
        worker.send(Orders(number, self._flags, self._ports, self._exchanges.state))
        self._exchanges.join(worker)
        worker.watch(self._events)
        logger.info("worker %d is process %d, %s", number, worker.process.pid, _words(worker.cores))

    def _hear(self, worker: "_Worker", message: object) -> None:
        match message:
            case Refused(reason):
                worker.refusal = reason
            case Loaded():
                worker.is_loaded = True
                self._let_listen()
            case Listening():
                worker.listening_since = time.monotonic()
                if not self._serves and all(each.listening_since for each in self._workers.values()):
                    self._serves = True
                    self._tell_serving(self._ports)
            case Request():
                self._exchanges.ask(worker, message)
            case Answer():
                self._exchanges.answered(worker, message)
            case WorkerState():
                self._exchanges.state = message
            case None:
                self._ended(worker)

    def _let_listen(self) -> None:
        """Have workers take calls: the first ones once all of them can, later ones as they come."""
        if not self._is_ending and (self._serves or all(each.is_loaded for each in self._workers.values())):
            for worker in self._workers.values():
                if worker.is_loaded and not worker.takes_calls:
                    worker.takes_calls = True
                    worker.send(Listen())

    def _ended(self, worker: "_Worker") -> None:
        code = worker.process.wait()
        self._workers.pop(worker.number, None)
        self._exchanges.leave(worker)
        if self._is_ending:
            if worker.listening_since is not None and code:
                self._code = 1
            return
        served = None if worker.listening_since is None else time.monotonic() - worker.listening_since
        how = worker.refusal or _how(code)
        pause = self._restarts[worker.number].pause_after(served) if self._serves else None
        if pause is None:
            self._fatal = how if worker.refusal else f"worker {worker.number} {how} before it could serve"
            self._end()
            return
        logger.warning("worker %d %s; a new one starts%s", worker.number, how, f" in {pause:g} s" if pause else "")
        self._due[worker.number] = time.monotonic() + pause

    def _end(self) -> None:
        """Have all workers drain, and end those that take no calls yet."""
        if self._is_ending:
            return
        self._is_ending = True
        self._kill_at = time.monotonic() + self._grace + _LAST_SECONDS
        self._due.clear()
        for worker in self._workers.values():
            if worker.takes_calls:
                worker.process.terminate()
            else:
                worker.process.kill()

    def _kill(self) -> None:
        self._kill_at = None
        for worker in self._workers.values():
            logger.warning("worker %d does not end: it is killed", worker.number)
            worker.process.kill()
            self._code = 1


class _Worker:
    """One process; a member of the exchanges."""

    def __init__(self, number: int, cores: frozenset[int]) -> None:
        """Start it on these cores."""
        self.number = number
        self.cores = cores
        self.is_loaded = False
        self.takes_calls = False
        self.listening_since: float | None = None
        self.refusal: str | None = None
        own, other = Pipe()
        safe_path = [] if str(Path.cwd()) in sys.path else ["-P"]  # what lies where it runs is not the program
        with other, _pinned(cores):
            self.process = subprocess.Popen(
                [sys.executable, *safe_path, "-m", "serving.workers", str(other.fileno())],
                env=worker_environment(os.environ),
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                process_group=0,  # Ctrl-C at the terminal reaches the supervisor, which has all of them drain
            )
        self._link = Link(own)

    def watch(self, events: "SimpleQueue[Any]") -> None:
        """Put what the worker says among the events, and at its end None."""
        self._link.start(lambda message: events.put((self, message)), lambda: events.put((self, None)))

    def send(self, message: object) -> None:
        """Send it a message."""
        self._link.send(message)


@contextmanager
def _pinned(cores: frozenset[int]) -> Iterator[None]:
    """Have processes that this thread starts in the block run on these cores alone, from their first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _words(cores: frozenset[int]) -> str:
    return f"core{'' if len(cores) == 1 else 's'} {', '.join(map(str, sorted(cores)))}"


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
