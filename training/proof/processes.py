"""The processes of a proof: they run side by side, and when one fails all end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import IO

from training.proof.worker import REFUSED
from zoo.errors import ConfigError, ZooError

_LINES = 12
"""What is shown of a process that failed."""


class TrialFailedError(ZooError):
    """A process of a proof died."""


@dataclass(frozen=True)
class Task:
    """One process: what it is called, and what it runs."""

    name: str
    arguments: Sequence[str]
    """Of `python -m training.proof.worker`."""
    environment: Mapping[str, str] = field(default_factory=dict)


def run_all(tasks: Sequence[Task]) -> None:
    """Run tasks side by side and wait for all of them.

    Raises:
        ConfigError: one refused what it was given; the message is its own.
        TrialFailedError: one died.
    """
    with ThreadPoolExecutor(len(tasks)) as pool, tempfile.TemporaryFile() as said:
        running = [(task, _start(task, said)) for task in tasks]
        try:
            futures = [pool.submit(_wait, task, process) for task, process in running]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((future for future in done if future.exception()), None)
            if failed is not None:
                failed.result()
        finally:
            for _, process in running:
                process.kill()  # does nothing to one that is done


def _start(task: Task, said: IO[bytes]) -> "subprocess.Popen[str]":
    # CPUs alone: what is asked is whether the arithmetic is right. oneDNN convolves no rows wrongly, which GPUs do not.
    settings = {"CUDA_VISIBLE_DEVICES": "-1", "TF_ENABLE_ONEDNN_OPTS": "0", **task.environment}
    return subprocess.Popen(
        [sys.executable, "-m", "training.proof.worker", *task.arguments],
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _wait(task: Task, process: "subprocess.Popen[str]") -> None:
    _, errors = process.communicate()
    lines = errors.strip().splitlines()
    if process.returncode == REFUSED:
        raise ConfigError(f"{task.name}: {lines[-1] if lines else 'refused'}")
    if process.returncode:
        raise TrialFailedError(
            f"the process of {task.name} died with status {process.returncode}:\n" + "\n".join(lines[-_LINES:])
        )
