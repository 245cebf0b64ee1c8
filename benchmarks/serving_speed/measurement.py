"""One round: every server is started, all are asked the same thing one after another, and all are ended.

A machine is faster in one minute than in the next, so what is compared is measured within seconds. Who is not asked is
suspended meanwhile, with all its processes.
"""

import pickle
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import psutil

from benchmarks.load import Answers, LoadError, put_load
from benchmarks.serving_speed.disturbance import least_disturbed
from benchmarks.serving_speed.models import Rows
from benchmarks.serving_speed.requests import Requests, write_answer, write_requests
from benchmarks.serving_speed.results import Cell, Turn
from benchmarks.serving_speed.server import Running, Server, ServerFailed
from benchmarks.serving_speed.workload import Workload

_SECONDS_OF_LOAD = 0.2
"""For each model, before the memory of a server is looked at."""


class Round:
    """One of several. `turns` tells what was measured, also where `run` was cut short."""

    def __init__(
        self,
        number: int,
        servers: Sequence[Server],
        *,
        folder: Path,
        rows: Mapping[str, Rows],
        workloads: Sequence[Workload],
        seconds: float,
    ) -> None:
        """Prepare.

        Args:
            number: of the round; it says who is first.
            servers: who is asked.
            folder: of the models.
            rows: of every model.
            workloads: in the order in which they are asked; of each server those that it answers.
            seconds: of each.
        """
        self._folder = folder
        self._seconds = seconds
        self._shift = number
        self._asked = {each: write_requests(each, rows[each.model]) for each in workloads}
        self._contenders = [_Contender(server, number, self._asked) for server in servers]

    @property
    def turns(self) -> list[Turn]:
        """What every server did; where it failed, what it did until then and the error."""
        return [each.turn for each in self._contenders]

    def run(self) -> None:
        """Measure, and say what was found."""
        with answer_file(self._asked) as answers, ExitStack() as stack:
            for contender in self._in_turn(0):
                contender.look(self._folder, answers)
                print(f"  {contender.said()}", flush=True)
            for contender in self._in_turn(0):
                stack.enter_context(contender).start(self._folder, answers)
            for place, workload in enumerate(self._asked):
                found = {each.name: each.ask(workload, self._seconds) for each in self._in_turn(place)}
                told = [f"{name} {cell.load.per_second:,.0f}" for name, cell in found.items() if cell is not None]
                print(f"  {workload.key}: {'; '.join(told)} a second", flush=True)
            for contender in self._contenders:
                contender.is_done()

    def _in_turn(self, place: int) -> list["_Contender"]:
        """Return all of them, another one first than in the place before and in the round before."""
        first = (self._shift + place) % len(self._contenders)
        return self._contenders[first:] + self._contenders[:first]


class _Contender:
    """A server in a round. As a context it ends with it; once it has failed, it does nothing."""

    def __init__(self, server: Server, number: int, asked: Mapping[Workload, Requests]) -> None:
        self.name = server.name
        self.turn = Turn(number, server.name)
        """What it did so far."""
        self._server = server
        self._asked = {each: requests for each, requests in asked.items() if server.answers(each)}
        self._running: Running | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.end()
            self._running = None

    def look(self, folder: Path, answers: Path) -> None:
        """Start it while no other is there, see how long that takes, and its memory after some load; and end it."""
        with self._failing():
            with self._server.start(folder, answers) as running:
                self.turn = replace(self.turn, start_seconds=_wait(running, self._asked))
                for workload, requests in _widest(self._asked).items():
                    cell = _ask(running, workload, requests, _SECONDS_OF_LOAD)
                    if cell.wrong or cell.load.failed:
                        raise ServerFailed(f"{workload.key}: {cell.wrong} wrong answers, {cell.load.failed} unanswered")
                memory = running.footprint()
            self.turn = replace(self.turn, rss_mb=memory.rss, pss_mb=memory.pss)

    def said(self) -> str:
        """Say what `look` saw."""
        turn = self.turn
        return f"{self.name}: {turn.error or f'up in {turn.start_seconds:.1f} s, {turn.pss_mb:.0f} MB'}"

    def start(self, folder: Path, answers: Path) -> None:
        """Start it, and suspend it once every model has answered."""
        if self.turn.error:
            return
        with self._failing():
            self._running = self._server.start(folder, answers)
            _wait(self._running, self._asked)
            self._running.rest()

    def ask(self, workload: Workload, seconds: float) -> Cell | None:
        """Return what it makes of a workload; None where it is not asked that, or has failed."""
        running, requests = self._running, self._asked.get(workload)
        if running is None or requests is None:
            return None
        with self._failing():
            running.wake()
            cell = best_of(least_disturbed(lambda: _ask(running, workload, requests, seconds)))
            running.rest()
            self.turn = replace(self.turn, cells={**self.turn.cells, workload.key: cell})
        return self.turn.cells.get(workload.key)

    def is_done(self) -> None:
        """Note that it was asked everything."""
        self.turn = replace(self.turn, whole=not self.turn.error)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Have what goes wrong within the block be its error, and its end."""
        try:
            yield
        except (ServerFailed, LoadError, psutil.NoSuchProcess) as error:
            self.turn = replace(self.turn, error=f"{type(error).__name__}: {error}")
            self.__exit__()


def _widest(asked: Mapping[Workload, Requests]) -> dict[Workload, Requests]:
    """Return of every model the closed loop of single rows with the most calls in flight."""
    loops = [each for each in asked if each.loop == "closed" and each.batch == 1]
    widest = {each.model: each for each in sorted(loops, key=lambda each: each.pace)}
    return {each: asked[each] for each in widest.values()}


def _wait(running: Running, asked: Mapping[Workload, Requests]) -> float:
    """Wait until every model has answered, in the words it is asked first."""
    first: dict[tuple[str, str], Requests] = {}
    for workload, requests in asked.items():
        first.setdefault((workload.protocol, workload.model), requests)
    seconds = 0.0
    for requests in first.values():

        def fault(body: bytes, requests: Requests = requests) -> str:
            return requests.wrong(Answers({(0, body): 1}))[1]

        seconds = running.wait_for_answer(requests.method, requests.bodies[0], fault)
    return seconds


def best_of(found: Sequence[tuple[float, Cell]]) -> Cell:
    """Return the first of several tries, the least disturbed; what went wrong in the others is counted in it."""
    (stolen, cell), others = found[0], [each for _, each in found[1:]]
    return replace(
        cell,
        wrong=cell.wrong + sum(each.wrong for each in others),
        failed_besides=sum(each.load.failed for each in others),
        stolen=stolen,
        tries=len(found),
    )


def _ask(running: Running, workload: Workload, requests: Requests, seconds: float) -> Cell:
    before = running.cpu_seconds()
    load = workload.asking(seconds, requests.metadata)
    measured, answers = put_load(running.target, requests.method, requests.bodies, load)
    used = running.cpu_seconds() - before
    wrong, why = requests.wrong(answers)
    if wrong:
        print(f"{running.name}, {workload.key}: {wrong} wrong answers: {why}", flush=True)
    return Cell(measured, 1e6 * used / max(measured.calls, 1), wrong + measured.unseen)


@contextmanager
def answer_file(asked: Mapping[Workload, Requests]) -> Iterator[Path]:
    """Write the right answer to every request, for a null handler: by request, whatever form was asked for."""
    answers = {
        body: write_answer(workload, rows)
        for workload, requests in asked.items()
        if workload.protocol == "predict" and not workload.as_content
        for body, rows in zip(requests.bodies, requests.expected, strict=True)
    }
    with tempfile.NamedTemporaryFile() as file:
        file.write(pickle.dumps(answers))
        file.flush()
        yield Path(file.name)
