"""An engine in another process, as the server's own."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from serving.isolation.leisure import StarvedError
from serving.isolation.messages import Message
from serving.isolation.process import Facts, HostProcess, ProcessEndedError
from serving.status import Code, ServerError, StatusError
from serving.workers.restarts import Restarts

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]
Ended = Callable[[HostProcess], None]
Start = Callable[[Ended, bool], HostProcess]
"""Starts a process, which calls a function when it has ended, and whose load yields, or not. Raises ServerError."""

_WORDS = "in a process of its own"
_RETRY_SECONDS = 1.0


class IsolatedEngine:
    """Has a process run a version, and another one in its place where that ends. `run` may be called from any thread.

    A call waits for the process, which may be busy, or about to end: no event loop may.

    State: the process, or why there is none, behind a lock that nobody holds while calling it. What hears the end of
    one starts the next.
    """

    computes_elsewhere = True
    """See ElsewhereEngine."""

    def __init__(self, title: str, start: Start) -> None:
        """Prepare; `load` begins.

        Args:
            title: the model and its version, for people.
            start: starts a process for it.
        """
        self._title = title
        self._start = start
        self._restarts = Restarts()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._process: HostProcess | None = None
        self._loading: HostProcess | None = None
        self._facts: Facts = {}
        self._deferred: frozenset[str] = frozenset()
        self._since = 0.0
        self._outage = ""

    def load(self, *, yields: bool = True) -> None:
        """Have a process load the version. Raises ServerError where it cannot, and then there is no process.

        Args:
            yields: whether to whatever else the machine does, as long as that leaves it anything; not where clients wait.
        """
        try:
            self._load(yields=yields)
        except StarvedError as error:
            logger.warning("%s is loaded anew, at the usual priority: %s", self._title, error)
            self._load(yields=False)

    def _load(self, *, yields: bool) -> None:
        process = self._start(self.replace, yields)
        with self._lock:
            self._loading = None if self._closing.is_set() else process
        if self._loading is None:
            process.close()
        try:
            facts = process.await_loaded()
        except BaseException:
            process.close()
            raise
        with self._lock:
            self._loading = None
            if not (process.has_ended or self._closing.is_set()):
                self._process, self._since = process, time.monotonic()
                self._facts, self._deferred = facts, frozenset(facts["deferred"])
                logger.info("%s runs %s, pid %d", self._title, _WORDS, process.pid)
                return
        process.close()

    @property
    def platform(self) -> str:
        """See PlatformEngine."""
        return str(self._facts["platform"])

    @property
    def choices(self) -> Mapping[str, str]:
        """See ChoosingEngine."""
        return {name: f"{words}, {_WORDS}" for name, words in self._facts["choices"].items()}

    @property
    def deferred(self) -> frozenset[str]:
        """See ChoosingEngine."""
        return self._deferred

    def variant_of(self, signature: str) -> str:
        """See ChoosingEngine."""
        return str(self._facts["variants"].get(signature, self._facts["variant"]))

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """See Engine."""
        return self.run_jointly([signature], inputs)[signature]

    def run_jointly(self, signatures: Sequence[str], inputs: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
        """See JointEngine.

        Raises:
            StatusError: also UNAVAILABLE, the process has ended, and there is no other yet.
        """
        with self._lock:
            process, outage = self._process, self._outage
        if process is None:
            raise self._unavailable(outage)
        try:
            answer = process.call(Message({"signatures": list(signatures)}, {"": inputs}))
        except ProcessEndedError as error:
            raise self._unavailable(str(error)) from None
        facts = answer.facts
        if "status" in facts:
            raise StatusError(
                Code(facts["status"]), facts["message"], field=facts["field"], retry_after=facts["retry_after"]
            )
        if "fault" in facts:
            fault = RuntimeError(f"{self._title}: {facts['fault']}")
            fault.add_note(facts["trace"])
            raise fault
        if len(facts["deferred"]) != len(self._deferred):
            self._deferred = frozenset(facts["deferred"])
        return {name: dict(arrays) for name, arrays in answer.arrays.items()}

    def close(self) -> None:
        """See Engine. Returns once the process is gone."""
        self._closing.set()
        with self._lock:
            processes = (self._process, self._loading)
            self._process = self._loading = None
        for process in processes:
            if process is not None:
                process.close()

    def replace(self, ended: HostProcess) -> None:
        """Put another process in the place of one that ended; what failed to load the first time is not tried again."""
        if not ended.has_loaded:
            return
        with self._lock:
            if self._process is ended:
                self._process = None
            self._outage = ended.how
            served = time.monotonic() - self._since
        how = ended.how
        while True:
            pause = self._restarts.pause_after(served) or 0.0
            if self._closing.is_set():
                return
            again = f"in {pause:g} s" if pause else "now"
            logger.error("the process that runs %s, pid %d, %s: another starts %s", self._title, ended.pid, how, again)
            if self._closing.wait(pause):
                return
            try:
                self.load(yields=False)
            except ServerError as error:
                how, served = f"has no successor, {error}", 0.0
            else:
                return

    def _unavailable(self, how: str) -> StatusError:
        return StatusError(
            Code.UNAVAILABLE,
            f"the process that runs {self._title} {how}; another is started: ask again later",
            retry_after=_RETRY_SECONDS,
        )
