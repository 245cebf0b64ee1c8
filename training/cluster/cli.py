"""`zoo launch`: a cluster of processes on this machine, and what restarts it."""

import argparse
import signal
import sys
from collections.abc import Sequence

EPILOG = """\
Everything after -- is the command of every process, `zoo train ...` or just `train ...`. Each gets TF_CONFIG, so that a
recipe that names no strategy trains with multi_worker, or with --parameter-servers, parameter_server. What the chief prints
is shown as it is; lines of the others begin with their name. When a process is killed or crashes, all are ended and started
again with --resume; of parameter_server, a worker is started again alone. Ctrl-C or SIGTERM: the state is saved and all
end; a second time: at once.

examples:
  zoo launch --processes 2 -- zoo train digits_cnn
  zoo launch --processes 2 --parameter-servers 1 -- zoo train digits_cnn
  zoo launch --processes 2 --restarts 10 -- train digits_cnn --deterministic

exit codes:
  0 done, 2 could not be done, 75 given up after so many new starts, 130 and 143 stopped by Ctrl-C and SIGTERM
"""


def launch_command(parser: argparse.ArgumentParser) -> None:
    """Train in several processes on this machine, and start them again when one is lost."""
    parser.description = "Train in several processes on this machine, and start them again when one is lost."
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--processes", type=_count, default=2, metavar="N", help="workers (default: %(default)s)")
    parser.add_argument(
        "--parameter-servers",
        type=_count_or_none,
        default=0,
        metavar="N",
        help="processes that hold the model; with any, a chief is started too (default: %(default)s)",
    )
    parser.add_argument(
        "--restarts",
        type=_count_or_none,
        default=3,
        metavar="N",
        help="how often to start again (default: %(default)s)",
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="such as -- zoo train digits_cnn"
    )
    parser.set_defaults(run=_launch)


def _launch(arguments: argparse.Namespace) -> int:
    from training.cluster.supervisor import Job, Supervisor

    command = _command(arguments.command)
    again = command if _resumes(command) else [*command, "--resume"]
    job = Job(
        command=command,
        again=again,
        processes=arguments.processes,
        servers=arguments.parameter_servers,
        restarts=arguments.restarts,
    )
    supervisor = Supervisor(job, lambda line: print(line, file=sys.stderr, flush=True))
    before = {number: signal.signal(number, lambda n, _: supervisor.stop(n)) for number in _FORWARDED}
    try:
        return supervisor.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_FORWARDED = (signal.SIGINT, signal.SIGTERM)


def _command(given: Sequence[str]) -> list[str]:
    """Return what to start: a command of this program, in this Python."""
    from zoo.errors import ConfigError

    words = list(given[1:] if given[:1] == ["--"] else given)
    if words[:1] == ["zoo"]:
        words = words[1:]
    if words[:3] == ["python", "-m", "training"]:
        words = ["train", *words[3:]]
    if not words:
        raise ConfigError("what to launch? such as: zoo launch --processes 2 -- zoo train digits_cnn")
    if words[0] != "train":
        raise ConfigError(
            f"expected `zoo train ...` after --, got {' '.join(words)!r:.60}: that is what trains in processes"
        )
    for word in (word.partition("=")[0] for word in words):
        if word in _ALONE:
            raise ConfigError(f"zoo launch starts several processes, and {_ALONE[word]}")
    return [sys.executable, "-m", "training", *words[1:]]


_ALONE = {
    "--folds": "folds are trained one after the other in one: give `zoo train ... --folds` alone",
    "--list": "recipes are listed by one: give `zoo train --list` alone",
    "--cluster": "chooses their addresses itself: leave --cluster out",
    "--task": "numbers them itself: leave --task out",
}
"""What of `zoo train` is not for processes that this starts."""


def _resumes(command: Sequence[str]) -> bool:
    return any(word == "--resume" or word.startswith("--resume=") for word in command)


def _count(text: str) -> int:
    count = _count_or_none(text)
    if not count:
        raise argparse.ArgumentTypeError("expected at least 1")
    return count


def _count_or_none(text: str) -> int:
    if not text.isdecimal() or int(text) > 256:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 256, got {text!r}")
    return int(text)
