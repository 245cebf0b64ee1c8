"""What one worker asks of all: who is told, in which order, and who hears the answers."""

from typing import Any

import pytest

from serving.choices import Choices
from serving.repository import ModelTable
from serving.status import Code
from serving.wire import HANDLE_RELOAD_CONFIG, METRICS, MODEL_STATISTICS, REPOSITORY_MODEL_LOAD
from serving.workers.exchanges import DEPARTED, Exchanges
from serving.workers.messages import Answer, Answers, Failure, Request, WorkerState


class Told:
    """A worker that keeps what it is told."""

    def __init__(self, number: int, *, takes_calls: bool = True) -> None:
        self.number = number
        self.takes_calls = takes_calls
        self.messages: list[Any] = []

    def send(self, message: object) -> None:
        self.messages.append(message)

    @property
    def last(self) -> Any:
        return self.messages[-1]


@pytest.fixture
def workers() -> list[Told]:
    return [Told(0), Told(1)]


@pytest.fixture
def exchanges(workers: list[Told]) -> Exchanges:
    made = Exchanges()
    for worker in workers:
        made.join(worker)
    return made


def request(path: str, number: int = 7) -> Request:
    return Request(number, path, b"asked", None, "somebody")


def state(*unloaded: str) -> WorkerState:
    return WorkerState(Choices(ModelTable(), frozenset(unloaded)))


def test_all_are_asked_and_the_asker_hears_all_answers(exchanges: Exchanges, workers: list[Told]) -> None:
    exchanges.ask(workers[1], request(MODEL_STATISTICS))
    assert [worker.last.message for worker in workers] == [b"asked"] * 2
    number = workers[0].last.number
    exchanges.answered(workers[0], Answer(number, b"a"))
    assert len(workers[1].messages) == 1
    exchanges.answered(workers[1], Answer(number, b"b"))
    assert workers[1].last == Answers(7, {0: b"a", 1: b"b"})
    assert len(workers[0].messages) == 1


def test_changes_are_made_in_one_order_by_all_while_counts_are_told_at_once(
    exchanges: Exchanges, workers: list[Told]
) -> None:
    exchanges.ask(workers[0], request(HANDLE_RELOAD_CONFIG, 1))
    exchanges.ask(workers[1], request(REPOSITORY_MODEL_LOAD, 2))
    exchanges.ask(workers[1], request(METRICS, 3))
    for worker in workers:
        assert [message.path for message in worker.messages] == [HANDLE_RELOAD_CONFIG, METRICS]
    number = workers[0].messages[0].number
    for worker in workers:
        exchanges.answered(worker, Answer(number, b"done"))
    assert [worker.last.path for worker in workers] == [REPOSITORY_MODEL_LOAD] * 2
    assert Answers(1, {0: b"done", 1: b"done"}) in workers[0].messages


def test_a_worker_that_ended_is_not_waited_for(exchanges: Exchanges, workers: list[Told]) -> None:
    exchanges.ask(workers[0], request(REPOSITORY_MODEL_LOAD, 1))
    exchanges.ask(workers[1], request(REPOSITORY_MODEL_LOAD, 2))
    exchanges.answered(workers[0], Answer(workers[0].last.number, b"done"))
    exchanges.leave(workers[1])
    assert workers[0].last == Answers(1, {0: b"done"}), "and what it asked itself is forgotten"


def test_a_worker_that_is_starting_does_as_it_is_told_and_nobody_waits_for_it(
    exchanges: Exchanges, workers: list[Told]
) -> None:
    exchanges.ask(workers[0], request(REPOSITORY_MODEL_LOAD))
    late = Told(2, takes_calls=False)
    exchanges.join(late)
    assert late.last == workers[0].last, "it was given its orders before this was asked, or while it is done"
    for worker in (late, *workers):
        exchanges.answered(worker, Answer(late.last.number, str(worker.number).encode()))
    assert workers[0].last == Answers(7, {0: b"0", 1: b"1"})
    exchanges.ask(workers[0], request(METRICS))
    assert late.last.path == REPOSITORY_MODEL_LOAD, "it has counted nothing"


def test_a_new_worker_is_to_serve_what_those_serve_that_did_as_they_were_told(
    exchanges: Exchanges, workers: list[Told]
) -> None:
    exchanges.ask(workers[0], request(REPOSITORY_MODEL_LOAD))
    number = workers[0].last.number
    exchanges.answered(workers[0], Answer(number, b"done", state("new")))
    exchanges.answered(workers[1], Answer(number, Failure(Code.INTERNAL, "no memory"), state("old")))
    assert exchanges.state == state("new")


def test_what_a_worker_counted_that_ended_is_told_on(exchanges: Exchanges, workers: list[Told]) -> None:
    def page(calls: int, running: int) -> bytes:
        return f"# TYPE calls counter\ncalls_total {calls}\n# TYPE running gauge\nrunning {running}\n".encode()

    exchanges.ask(workers[0], request(METRICS))
    number = workers[0].last.number
    for worker in workers:
        exchanges.answered(worker, Answer(number, page(5, 1)))
    for _ in range(2):
        exchanges.leave(workers[1])
        exchanges.join(workers[1])
    exchanges.ask(workers[0], request(METRICS))
    number = workers[0].last.number
    for worker in workers:
        exchanges.answered(worker, Answer(number, page(1, 1)))
    departed = workers[0].last.outcomes[DEPARTED].decode()
    assert "calls_total 5.0" in departed
    assert "running" not in departed
