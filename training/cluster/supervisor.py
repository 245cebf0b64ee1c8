"""Starts the processes of a cluster on this machine, watches them, and starts all of them again when one is lost.

Workers that train in step cannot go on without one of them, nor take one back in: so all are ended and started anew, and the
run goes on from its newest checkpoint. Workers of parameter servers can be replaced one by one.
"""

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from training.cluster.addresses import TF_CONFIG, Cluster, free_addresses
from training.cluster.again import LAUNCHED
from training.cluster.errors_heard import ErrorsHeard

WORKER_LOST = 75
"""Exit code of a process that cannot go on because another is gone, and of a job that was given up (EX_TEMPFAIL)."""
PATIENCE_SECONDS = 3.0
"""How long the others get to end by themselves once one is lost."""
STOP_SECONDS = 60.0
"""How long all get to save and end when the job is stopped."""
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0)
"""Pauses before the first, second, ... new start."""

_STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM}


@dataclass(frozen=True)
class Job:
    """What to start, and how often."""

    command: Sequence[str]
    """The program and its arguments, the same for every process."""
    again: Sequence[str]
    """The same for every start but the first."""
    processes: int
    """Workers."""
    servers: int = 0
    """Parameter servers; with them, there is a coordinator besides the workers."""
    restarts: int = 3

    def clusters(self) -> list[Cluster]:
        """Return the cluster as every process sees it, at addresses that are free now; the one that talks comes first."""
        if not self.servers:
            workers = free_addresses(self.processes)
            return [Cluster(workers, task) for task in range(self.processes)]
        chief, *others = free_addresses(1 + self.processes + self.servers)
        workers, servers = tuple(others[: self.processes]), tuple(others[self.processes :])
        whole = Cluster(workers, 0, "chief", chief, servers)
        return [
            whole,
            *(Cluster(workers, task, "worker", chief, servers) for task in range(self.processes)),
            *(Cluster(workers, task, "ps", chief, servers) for task in range(self.servers)),
        ]


class Supervisor:
    """Runs one job. `run` is for the main thread; `stop` may be called from a signal handler."""

    def __init__(self, job: Job, say: Callable[[str], None]) -> None:
        """Run this job, and tell what happens through `say`, a line at a time."""
        self._job = job
        self._say = say
        self._events: queue.SimpleQueue[tuple[_Processes, int] | None] = queue.SimpleQueue()
        self._signals: list[int] = []
        self._starts = 0
        """New ones so far, of all or of one."""

    def stop(self, number: int) -> None:
        """Pass a signal on to all processes, which then save and end; a second one ends them at once."""
        self._signals.append(number)
        self._events.put(None)

    def run(self) -> int:
        """Run the job to its end and return its exit code: 0, or that of the process that ended it."""
        command = self._job.command
        while True:
            code = self._watch(_Processes(self._job.clusters(), command, self._say, self._events))
            if self._signals:
                return code if code in _STOPPED or not code else 128 + self._signals[0]
            if not _is_worth_another_try(code):
                return code
            if self._starts == self._job.restarts:
                starts = f"{self._starts} new start{'' if self._starts == 1 else 's'}"
                self._say(f"giving up after {starts}; the same command with --resume goes on")
                return WORKER_LOST
            pause = BACKOFF_SECONDS[min(self._starts, len(BACKOFF_SECONDS) - 1)]
            self._starts += 1
            self._say(f"starting all again in {pause:g} s (new start {self._starts} of {self._job.restarts})")
            if self._is_stopped_within(pause):
                return 128 + self._signals[0]
            command = self._job.again

    def _watch(self, processes: "_Processes") -> int:
        """See processes to their end. Returns 0, or the code of the first that failed."""
        failed: int | None = None
        done = False
        deadline: float | None = None
        while processes.alive:
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                event = self._events.get(timeout=left)
            except queue.Empty:
                processes.kill()
                deadline = None
                continue
            if event is None:
                again = len(self._signals) > 1
                processes.send(signal.SIGKILL if again else self._signals[0])
                deadline = time.monotonic() + STOP_SECONDS
                continue
            place = event[1]
            code = processes.ended(place)
            if done:
                continue  # whatever it ended with: the chief is through
            if code and failed is None and self._replace(processes, place, code):
                continue
            if code and failed is None:
                failed = code
                if code not in _STOPPED and not self._signals and processes.alive:
                    self._say(f"{processes.name(place)} {_how(code)}: ending the others")
                deadline = time.monotonic() + (STOP_SECONDS if code in _STOPPED else PATIENCE_SECONDS)
            elif not code and place == 0 and failed is None:
                done = True
                processes.finish()
                deadline = time.monotonic() + STOP_SECONDS
        processes.tell_errors()
        return failed or 0

    def _replace(self, processes: "_Processes", place: int, code: int) -> bool:
        """Start a worker of parameter servers again, which the others can do without for a while.

        Not one that refused, nor one that lost the chief: with that, all start again.
        """
        if code >= 0 and code not in _STOPPED:
            return False
        if not processes.is_replaceable(place) or self._signals or self._starts == self._job.restarts:
            return False
        self._starts += 1
        processes.tell_errors()
        self._say(
            f"{processes.name(place)} {_how(code)}: starting it again (new start {self._starts} of {self._job.restarts})"
        )
        processes.start(place)
        return True

    def _is_stopped_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._signals and (left := deadline - time.monotonic()) > 0:
            try:
                self._events.get(timeout=left)
            except queue.Empty:
                return False
        return bool(self._signals)


@dataclass
class _Processes:
    """The processes of one start, by their place in the list of clusters; the first is the chief."""

    clusters: Sequence[Cluster]
    command: Sequence[str]
    say: Callable[[str], None]
    events: "queue.SimpleQueue[tuple[_Processes, int] | None]"
    alive: dict[int, "subprocess.Popen[str]"] = field(default_factory=dict)
    errors: ErrorsHeard = field(default_factory=ErrorsHeard)

    def __post_init__(self) -> None:
        for place in range(len(self.clusters)):
            self.start(place)

    def name(self, place: int) -> str:
        """Return what to call a process."""
        cluster = self.clusters[place]
        return "the chief" if cluster.is_chief else f"{cluster.job} {cluster.task}"

    def is_replaceable(self, place: int) -> bool:
        """Tell whether the others can do without a process for a while."""
        return self.clusters[place].job == "worker" and bool(self.clusters[place].servers)

    def start(self, place: int) -> None:
        """Start a process, the chief on the terminal, the others' lines behind their names."""
        process = subprocess.Popen(
            self.command,
            env={**os.environ, TF_CONFIG: self.clusters[place].to_tf_config(), LAUNCHED: "1"},
            stdin=subprocess.DEVNULL,
            stdout=None if place == 0 else subprocess.PIPE,
            stderr=subprocess.PIPE if place == 0 else subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,  # Ctrl-C at the terminal reaches the supervisor, which passes it on
        )
        self.alive[place] = process
        threading.Thread(target=self._follow, args=(process, place), daemon=True).start()

    def ended(self, place: int) -> int:
        """Note that a process ended, and return its exit code; negative is the signal that killed it."""
        return self.alive.pop(place).wait()

    def send(self, number: int) -> None:
        """Send a signal to all that are alive."""
        for process in self.alive.values():
            process.send_signal(number)

    def kill(self) -> None:
        """End at once all that are alive."""
        self.send(signal.SIGKILL)

    def finish(self) -> None:
        """End those that serve until they are told to stop, now that the chief is done."""
        for place, process in self.alive.items():
            if self.clusters[place].servers:
                process.terminate()

    def tell_errors(self) -> None:
        """Tell what others than the chief had to say from an error on, where it is not what the chief said."""
        for place, line in self.errors.taken():
            self.say(f"[{self.name(place)}] {line}")

    def _follow(self, process: "subprocess.Popen[str]", place: int) -> None:
        try:
            if process.stderr is not None:
                self._pass_on(process.stderr)
            elif process.stdout is not None:
                self._relay(process.stdout, place)
        finally:  # whoever listened may be gone: that a process ended has to be known all the same
            process.wait()
            self.events.put((self, place))

    def _pass_on(self, of_chief: IO[str]) -> None:
        with of_chief:
            while chunk := os.read(of_chief.fileno(), 1 << 16):
                with contextlib.suppress(OSError):
                    os.write(2, chunk)  # as it comes: it may be half a line that is written over
                self.errors.hear_chief(chunk)

    def _relay(self, lines: IO[str], place: int) -> None:
        with lines:
            for line in lines:
                if line.strip() and not self.errors.keeps(place, line.rstrip()):
                    with contextlib.suppress(OSError):
                        self.say(f"[{self.name(place)}] {line.rstrip()}")


def _is_worth_another_try(code: int) -> bool:
    """Tell whether a process was killed or lost another one, rather than refused to do what it was asked."""
    return code < 0 or code == WORKER_LOST


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return "lost another worker" if code == WORKER_LOST else f"ended with exit code {code}"
