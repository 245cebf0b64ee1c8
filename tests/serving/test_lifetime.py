"""How a process that serves comes to its end, whichever of its threads the system tells."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

IN_ANOTHER_THREAD = """
import signal, threading
from queue import SimpleQueue
from serving.lifetime import until_asked_to_stop, wait_for_stop

asked = SimpleQueue()
until_asked_to_stop(asked)
threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
print("asked by", wait_for_stop(asked))
"""


def test_a_signal_that_another_thread_is_given_ends_the_wait() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_THREAD], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"asked by {signal.SIGTERM:d}\n"), done.stderr


@pytest.mark.parametrize("workers", [[], ["--workers=2"]], ids=["alone", "workers"])
def test_a_server_that_was_stopped_and_goes_on_ends_when_it_is_asked_to(tmp_path: Path, workers: list[str]) -> None:
    command = [sys.executable, "-m", "zoo", "serve", str(tmp_path), "--host=127.0.0.1", "--port=0", *workers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("serving ")
        server.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.pid, os.WSTOPPED)
        server.send_signal(signal.SIGCONT)
        server.send_signal(signal.SIGTERM)
        try:
            _, log = server.communicate(timeout=60)
        finally:
            server.kill()
    assert server.returncode == 0, log
