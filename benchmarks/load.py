"""Puts load on a gRPC server from a process of its own: `load_generator.cc` where it can be built, else Python.

    python -m benchmarks.load        builds it, and says where it is

The compiled one takes some 10 us of processor time a call, Python 150 us or more: on shared cores that is most of what
there is, and a fast server looks like a slow one. Every result says which it was.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
SOURCE = HERE / "load_generator.cc"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "keras-zoo" / "benchmarks"
HOW_TO_BUILD = "needs g++, pkg-config and gRPC's C++ library (Debian: g++ pkg-config libgrpc++-dev)"
_SLACK = 60.0  # seconds beyond those asked for: connecting, and calls that wait for their deadline
_ANSWER = struct.Struct("<IQI")


class LoadError(RuntimeError):
    """The load could not be put on, or not all of it was answered."""


@dataclass(frozen=True)
class Load:
    """How to ask."""

    loop: Literal["closed", "open"]
    """`closed`: each call is followed by the next; `open`: calls come at a rate, and are late from when they were due."""
    pace: float
    """Calls in flight, or calls a second."""
    seconds: float
    warm_up: float = 0.2
    """Seconds before those that count."""
    channels: int = 1
    """Connections."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What became of it. Times in microseconds, of the calls after the warm-up."""

    calls: int
    """All of them, also those of the warm-up and those that failed."""
    answered: int
    failed: int
    per_second: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    sent_late_p99_us: float
    """Of an open loop: how late the load itself was."""
    client_cpu_us: float
    """Processor time of the load, per call."""
    distinct: int
    """Different answers to the same requests, together."""
    unseen: int
    """Answers that came after too many different ones to keep."""
    failure: str
    """The last message of a call that failed."""


Answers = Counter[tuple[int, bytes]]
"""How often each answer came: (index of the request, bytes of the answer)."""


def put_load(target: str, method: str, requests: Sequence[bytes], load: Load) -> tuple[Measured, Answers]:
    """Ask a server on this machine.

    Args:
        target: `127.0.0.1:PORT`.
        method: `/package.Service/Method`, of one request and one response.
        requests: serialized; sent in turn.
        load: how to ask.

    Raises:
        LoadError: nobody listens there, or the process that asks has failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "requests", Path(folder) / "answers"
        asked.write_bytes(b"".join(struct.pack("<I", len(each)) + each for each in requests))
        command = [*generator(), target, method, str(asked), str(answered), load.loop]
        command += [f"{load.pace:g}", f"{load.warm_up:g}", f"{load.seconds:g}", str(load.channels)]
        command += [f"{key}={value}" for key, value in load.metadata.items()]
        limit = load.warm_up + load.seconds + _SLACK
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit)
        except subprocess.CalledProcessError as error:
            raise LoadError(f"{command[0]} ended with {error.returncode}: {error.stderr.strip()}") from error
        except subprocess.TimeoutExpired as error:
            raise LoadError(f"{command[0]} has not ended after {limit:g} s") from error
        return Measured(**json.loads(done.stdout)), _read_answers(answered.read_bytes())


def _read_answers(data: bytes) -> Answers:
    answers: Answers = Counter()
    at = 0
    while at < len(data):
        request, count, length = _ANSWER.unpack_from(data, at)
        at += _ANSWER.size
        answers[request, data[at : at + length]] += count
        at += length
    return answers


def write_answers(answers: Answers) -> bytes:
    """Return answers as the compiled load generator writes them."""
    return b"".join(_ANSWER.pack(request, count, len(each)) + each for (request, each), count in answers.items())


def generator() -> list[str]:
    """Return the command that puts the load on."""
    compiled = build()
    return [str(compiled)] if compiled else [sys.executable, str(HERE / "load_process.py")]


def describe_generator() -> str:
    """Say which it is, for who reads a result."""
    return "C++" if build() else f"Python, which takes far more processor time (the C++ one {HOW_TO_BUILD})"


def build() -> Path | None:
    """Return the compiled load generator, built where it is not; None where it cannot be."""
    program = CACHE / "load_generator"
    if program.exists() and program.stat().st_mtime >= SOURCE.stat().st_mtime:
        return program
    if not shutil.which("g++") or not shutil.which("pkg-config"):
        return None
    asking = ["pkg-config", "--cflags", "--libs", "grpc++"]
    flags = subprocess.run(asking, capture_output=True, text=True, check=False)
    if flags.returncode:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = program.with_suffix(f".{os.getpid()}")
    command = ["g++", "-O2", "-std=c++17", str(SOURCE), "-o", str(unfinished), *flags.stdout.split(), "-lpthread"]
    if subprocess.run(command, check=False).returncode:
        return None
    unfinished.replace(program)
    return program


if __name__ == "__main__":
    built = build()
    print(built or f"not built: it {HOW_TO_BUILD}; benchmarks will ask from Python")
    sys.exit(0 if built else 1)
