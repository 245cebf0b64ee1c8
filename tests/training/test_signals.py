import os
import signal
import subprocess
import sys

import pytest

from training.signals import StopSignals


def test_the_first_signal_is_what_the_run_is_told() -> None:
    said = list[str]()
    with StopSignals(said.append) as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
    assert stop.exit_code == 143
    assert len(said) == 1
    assert "once more ends it at once" in said[0]


def test_before_the_run_asks_a_signal_ends_it() -> None:
    with StopSignals(print) as stop, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert stop.exit_code == 130


def test_signals_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals(print):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_signal_ends_the_process() -> None:
    source = (
        "import os, signal\nfrom training.signals import StopSignals\n"
        "with StopSignals(print) as stop:\n    stop()\n"
        "    for _ in range(2): os.kill(os.getpid(), signal.SIGINT)\n    print('not reached')"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("not reached")) == (130, 0)
