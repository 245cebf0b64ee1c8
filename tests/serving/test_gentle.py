import os
import sys
import threading

import pytest

from serving.gentle import NICE, gently


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_work_is_done_at_a_low_priority_that_is_no_other_threads() -> None:
    before = niceness()
    assert gently(niceness) == max(NICE, before)
    assert niceness() == before


def test_threads_take_turns_more_often_meanwhile_and_as_before_afterwards() -> None:
    before = sys.getswitchinterval()
    assert gently(lambda: gently(sys.getswitchinterval)) < before
    assert sys.getswitchinterval() == before


def test_what_goes_wrong_is_raised_by_who_waits() -> None:
    with pytest.raises(KeyError, match="lost"):
        gently(lambda: {}["lost"])
