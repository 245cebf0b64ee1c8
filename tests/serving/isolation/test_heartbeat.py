"""A process that hangs is told apart from one that computes, waits for its turn, or is stopped together with the server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from serving.isolation.heartbeat import LOOK_SECONDS, MOST_MISSED, Heartbeat, is_at_rest

Child = subprocess.Popen[bytes]


class Process:
    """Does as a test says; its clock goes on by a look each time."""

    def __init__(self) -> None:
        self.rests = True
        self.asked = 0
        self.now = 0.0
        self.heartbeat = Heartbeat(self.note, lambda: self.rests, lambda: self.now)

    def note(self) -> None:
        self.asked += 1

    def looks(self, count: int = 1) -> list[bool]:
        found = []
        for _ in range(count):
            self.now += LOOK_SECONDS
            found.append(self.heartbeat.finds_hung())
        return found


def test_one_that_rests_and_does_not_answer_hangs_after_so_many_looks() -> None:
    process = Process()
    assert process.looks(1 + MOST_MISSED) == [False] * MOST_MISSED + [True]
    assert process.asked == 1  # what nobody reads must not pile up


def test_one_that_answers_never_does() -> None:
    process = Process()
    for _ in range(10):
        assert not any(process.looks(MOST_MISSED))
        process.heartbeat.hear()


def test_one_that_is_busy_never_does_and_a_single_busy_look_starts_anew() -> None:
    process = Process()
    process.rests = False
    assert not any(process.looks(100))
    process.rests = True
    assert not any(process.looks(MOST_MISSED - 1))
    process.rests = False
    process.looks()
    process.rests = True
    assert process.looks(MOST_MISSED) == [False] * (MOST_MISSED - 1) + [True]


def test_time_in_which_nobody_could_look_does_not_count() -> None:
    process = Process()
    for _ in range(MOST_MISSED):
        process.now += 3600  # the machine slept
        assert process.looks() == [False]


def test_many_who_wait_look_no_oftener_than_one() -> None:
    process = Process()
    process.looks(MOST_MISSED)
    assert not any(process.heartbeat.finds_hung() for _ in range(1000))
    assert process.looks() == [True]


@contextmanager
def running(script: str) -> Iterator[Child]:
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


WAITING = "print(flush=True); input()"
COMPUTING = "print(flush=True)\nwhile True: pass"
A_THREAD_COMPUTES = """
import threading
def compute():
    while True: pass
threading.Thread(target=compute, daemon=True).start()
print(flush=True)
input()
"""


def test_one_that_waits_comes_to_rest() -> None:
    with running(WAITING) as process:
        while not is_at_rest(process.pid):
            pass


@pytest.mark.parametrize("script", [COMPUTING, A_THREAD_COMPUTES])
def test_one_that_computes_in_any_thread_does_not_rest_until_it_is_stopped(script: str) -> None:
    with running(script) as process:
        assert not any(is_at_rest(process.pid) for _ in range(100))
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert is_at_rest(process.pid)
