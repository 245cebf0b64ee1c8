"""The supervisor over small programs in place of `zoo train`: what it does depends on exit codes and signals alone."""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from training.cluster.supervisor import WORKER_LOST, Job, Supervisor

PROLOGUE = """\
import json, os, signal, sys, time
task = json.loads(os.environ["TF_CONFIG"])["task"]
name = task["type"] + str(task["index"])
folder = sys.argv[1]
"""


def job(body: str, folder: Path, *, again: str | None = None, **choices: int) -> Job:
    def command(text: str) -> list[str]:
        return [sys.executable, "-c", PROLOGUE + text, str(folder)]

    return Job(command(body), command(again or body), **{"processes": 2, "restarts": 2, **choices})


def run(of: Job) -> tuple[int, list[str], float]:
    """Exit code, what was said, and how long it took."""
    said, started = list[str](), time.monotonic()
    code = Supervisor(of, said.append).run()
    return code, said, time.monotonic() - started


def test_every_process_knows_its_place(tmp_path: Path) -> None:
    body = "open(os.path.join(folder, name), 'w').write(os.environ['TF_CONFIG'])"
    assert run(job(body, tmp_path, processes=3))[:2] == (0, [])
    found = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert sorted(found) == ["worker0", "worker1", "worker2"]
    clusters = [config["cluster"] for config in found.values()]
    assert clusters[0] == clusters[1] == clusters[2]
    assert len(set(clusters[0]["worker"])) == 3


def test_lines_of_others_begin_with_their_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(job("print('hello', name)", tmp_path))
    assert (code, said) == (0, ["[worker 1] hello worker1"])
    assert capfd.readouterr().out == "hello worker0\n"


@pytest.mark.parametrize("killed", ["worker0", "worker1"])
def test_a_killed_worker_ends_the_others_and_all_start_again(tmp_path: Path, killed: str) -> None:
    body = f"os.kill(os.getpid(), 9) if name == '{killed}' else signal.pause()"
    again = "open(os.path.join(folder, name), 'w').close()"
    code, said, seconds = run(job(body, tmp_path, again=again))
    assert code == 0
    who = "the chief" if killed == "worker0" else "worker 1"
    assert said == [
        f"{who} was killed by SIGKILL: ending the others",
        "starting all again in 1 s (new start 1 of 2)",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["worker0", "worker1"]
    assert seconds < 15


def test_it_gives_up_after_so_many_new_starts(tmp_path: Path) -> None:
    code, said, _ = run(job("sys.exit(75) if name == 'worker1' else signal.pause()", tmp_path, restarts=1))
    assert code == WORKER_LOST
    assert said[-1] == "giving up after 1 new start; the same command with --resume goes on"


def test_a_refusal_is_not_tried_again(tmp_path: Path) -> None:
    code, said, _ = run(job("sys.exit(2) if name == 'worker1' else signal.pause()", tmp_path))
    assert (code, said) == (2, ["worker 1 ended with exit code 2: ending the others"])


def test_an_error_of_all_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = "sys.stderr.write('zoo: error: there is no data set\\n  known: a, b\\n'); sys.exit(2)"
    code, said, _ = run(job(body, tmp_path, processes=3))
    assert code == 2
    assert not [line for line in said if line.startswith("[")]
    assert capfd.readouterr().err == "zoo: error: there is no data set\n  known: a, b\n"


def test_an_error_that_the_chief_does_not_have_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = """\
if name == "worker0": signal.pause()
sys.stderr.write("zoo: error: there is no file\\n  at home\\n")
sys.exit(2)
"""
    code, said, _ = run(job(body, tmp_path, processes=3))
    assert code == 2
    told = sorted(line.partition("] ")[2] for line in said if line.startswith("["))
    assert told == ["  at home", "zoo: error: there is no file"], "and of the two that have it, one alone"
    assert capfd.readouterr().err == ""


def test_half_a_line_of_the_chief_is_shown_as_it_comes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(job("sys.stderr.write('10%\\r20%') if name == 'worker0' else None", tmp_path))[0] == 0
    assert capfd.readouterr().err == "10%\r20%"


def test_a_listener_that_left_does_not_keep_the_job_from_ending(tmp_path: Path) -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    body = "print('hello', flush=True); sys.stderr.write('hello' * 10_000)"
    assert Supervisor(job(body, tmp_path), gone).run() == 0


def stopped(of: Job, signals: Sequence[int], folder: Path) -> tuple[int, list[str]]:
    """Run a job whose processes open a pipe when they are ready, and stop it then."""
    pipes = [folder / f"worker{number}" for number in range(of.processes)]
    for pipe in pipes:
        os.mkfifo(pipe)
    said = list[str]()
    supervisor = Supervisor(of, said.append)
    with ThreadPoolExecutor(1) as threads:
        code = threads.submit(supervisor.run)
        for pipe in pipes:
            pipe.open().close()
        for number in signals:
            supervisor.stop(number)
        return code.result(timeout=60), said


SAVES = """\
stops = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # one that comes before anyone waits for it is kept
open(os.path.join(folder, name), 'w').close()
number = signal.sigwait(stops)
print("saved", flush=True)
sys.exit(128 + number)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_all_save(tmp_path: Path, number: int) -> None:
    code, said = stopped(job(SAVES, tmp_path), [number], tmp_path)
    assert (code, said) == (128 + number, ["[worker 1] saved"])


def test_a_second_signal_ends_those_that_do_not_listen(tmp_path: Path) -> None:
    deaf = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); open(os.path.join(folder, name), 'w').close()\nsignal.pause()"
    )
    code, _ = stopped(job(deaf, tmp_path), [signal.SIGTERM, signal.SIGTERM], tmp_path)
    assert code == 143


def test_a_worker_that_was_told_to_stop_is_not_started_again(tmp_path: Path) -> None:
    code, said, _ = run(job("sys.exit(143)", tmp_path))
    assert (code, said) == (143, [])


def test_a_worker_of_parameter_servers_is_replaced_alone(tmp_path: Path) -> None:
    """The servers serve until they are told that the chief is done."""
    body = """\
mark, back = os.path.join(folder, name), os.path.join(folder, "back")
if name == "chief0":
    open(back).close()
    sys.exit()
if name == "worker1" and not os.path.exists(mark):
    open(mark, "w").close()
    os.kill(os.getpid(), 9)
if name == "worker1":
    open(back, "w").close()
signal.pause()
"""
    os.mkfifo(tmp_path / "back")
    code, said, _ = run(job(body, tmp_path, servers=1))
    assert (code, said) == (0, ["worker 1 was killed by SIGKILL: starting it again (new start 1 of 2)"])


@pytest.mark.parametrize(("code", "end"), [(2, 2), (WORKER_LOST, WORKER_LOST)])
def test_a_worker_of_parameter_servers_that_refused_or_lost_the_chief_is_not_replaced(
    tmp_path: Path, code: int, end: int
) -> None:
    found, said, _ = run(
        job(f"sys.exit({code}) if name == 'worker1' else signal.pause()", tmp_path, servers=1, restarts=0)
    )
    assert found == end
    assert "ending the others" in said[0]
    assert not any("starting it again" in line for line in said)
