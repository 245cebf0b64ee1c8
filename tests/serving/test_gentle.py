import contextlib
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from serving.engines.litert import LiteRTEngine
from serving.gentle import NICE, aside, gently, plainly

MNIST = Path(__file__).parents[2] / "saved_models" / "mnist_cnn" / "1"


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_work_is_done_at_a_low_priority_that_is_no_other_threads() -> None:
    before = niceness()
    assert gently(niceness) == max(NICE, before)
    assert niceness() == before


def test_a_part_that_is_done_plainly_is_done_by_the_thread_that_waits() -> None:
    this = threading.current_thread()
    assert gently(lambda: (plainly(threading.current_thread), plainly(niceness))) == (this, niceness())


def test_what_is_no_part_of_gentle_work_is_done_where_it_is() -> None:
    assert plainly(threading.current_thread) is threading.current_thread()


def test_gentle_work_within_a_plain_part_of_gentle_work_is_gentle() -> None:
    assert gently(lambda: plainly(lambda: gently(niceness))) == max(NICE, niceness())


def test_what_goes_wrong_in_a_plain_part_is_raised_there_and_the_work_goes_on() -> None:
    def work() -> str:
        with pytest.raises(KeyError, match="lost"):
            plainly(lambda: {}["lost"])
        return plainly(lambda: "found")

    assert gently(work) == "found"


def test_threads_in_which_litert_computes_have_the_usual_priority() -> None:
    def tasks() -> set[str]:
        return {task.name for task in Path("/proc/self/task").iterdir()}

    before = tasks()
    loading, engine = gently(lambda: (threading.get_native_id(), LiteRTEngine(MNIST, threads=2)))
    engine.run("serving_default", {"inputs": np.zeros((1, 28, 28, 1), np.float32)})
    priorities = set()
    for number in tasks() - before - {str(loading)}:  # which may be about to end
        with contextlib.suppress(ProcessLookupError):
            priorities.add(os.getpriority(os.PRIO_PROCESS, int(number)))
    assert priorities == {niceness()}
    engine.close()


def test_who_waits_looks_now_and_then_and_may_stop_waiting() -> None:
    over = threading.Event()
    looked_at: list[int] = []

    def look(thread: int) -> None:
        looked_at.append(thread)
        raise TimeoutError("enough")

    with pytest.raises(TimeoutError, match="enough"):
        aside(over.wait, lambda: None, watch=look, every=1e-3)
    (thread,) = (each for each in threading.enumerate() if each.native_id == looked_at[0])
    over.set()
    thread.join()


def test_threads_take_turns_more_often_meanwhile_and_as_before_afterwards() -> None:
    before = sys.getswitchinterval()
    assert gently(lambda: gently(sys.getswitchinterval)) < before
    assert sys.getswitchinterval() == before


def test_what_goes_wrong_is_raised_by_who_waits() -> None:
    with pytest.raises(KeyError, match="lost"):
        gently(lambda: {}["lost"])
