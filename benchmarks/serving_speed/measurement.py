"""One server's turn: it is started, asked everything, looked at and ended."""

import pickle
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from benchmarks.load import Answers, LoadError, put_load
from benchmarks.serving_speed.disturbance import least_disturbed
from benchmarks.serving_speed.models import Rows
from benchmarks.serving_speed.requests import Requests, write_answer, write_requests
from benchmarks.serving_speed.results import Cell, Turn
from benchmarks.serving_speed.server import Running, Server, ServerFailed
from benchmarks.serving_speed.workload import Workload


def take_turn(
    server: Server,
    number: int,
    *,
    folder: Path,
    rows: Mapping[str, Rows],
    workloads: Sequence[Workload],
    seconds: float,
) -> Turn:
    """Return what a server did in a round; where it fails, what it did until then and the error.

    Args:
        server: which one.
        number: of the round.
        folder: of the models.
        rows: of every model.
        workloads: in the order in which it is asked; those that it does not answer are left out.
        seconds: of each.
    """
    asked = {each: write_requests(each, rows[each.model]) for each in workloads if server.answers(each)}
    turn = Turn(number, server.name)
    cells: dict[str, Cell] = {}
    try:
        with answer_file(asked) as answers, server.start(folder, answers) as running:
            turn = replace(turn, start_seconds=_wait(running, asked))
            for workload, requests in asked.items():
                cells[workload.key] = _measure(running, workload, requests, seconds)
            memory = running.footprint()
            turn = replace(turn, rss_mb=memory.rss, pss_mb=memory.pss)
    except (ServerFailed, LoadError, psutil.NoSuchProcess) as error:
        turn = replace(turn, error=f"{type(error).__name__}: {error}")
    return replace(turn, cells=cells)


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


def _measure(running: Running, workload: Workload, requests: Requests, seconds: float) -> Cell:
    return best_of(least_disturbed(lambda: _ask(running, workload, requests, seconds)))


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
