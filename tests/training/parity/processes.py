"""Starting the processes that train: one for a strategy of one process, two for multi_worker."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from training.cluster.addresses import free_addresses

ROOT = Path(__file__).parents[3]
WORKERS = 2


class Processes:
    """The processes of one strategy, running `python -m MODULE ARGUMENTS`."""

    def __init__(self, strategy: str, module: str, *arguments: str, **environment: str) -> None:
        """Start them."""
        self._running = []
        for settings in _settings(strategy):
            self._running.append(
                subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-m", module, *arguments],
                    cwd=ROOT,
                    env={**os.environ, **environment, **settings},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )

    def wait(self, seconds: float = 800) -> str:
        """Wait until all are done. Returns what the first wrote; fails with what those wrote that failed."""
        said = [process.communicate(timeout=seconds)[0] for process in self._running]
        failed = [text[-2000:] for process, text in zip(self._running, said, strict=True) if process.returncode]
        assert not failed, "\n\n".join(failed)
        return said[0]

    def stop(self) -> None:
        """End those that still run."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.communicate()


@contextlib.contextmanager
def started(
    strategies: Sequence[str], module: str, arguments: Mapping[str, Sequence[str]]
) -> Iterator[list[Processes]]:
    """Start a module on several strategies side by side; all are gone in the end."""
    # oneDNN cannot convolve no rows, which a replica may get here; zoo says so where it matters.
    running = [Processes(each, module, *arguments[each], TF_ENABLE_ONEDNN_OPTS="0") for each in strategies]
    try:
        yield running
    finally:
        for processes in running:
            processes.stop()


def _settings(strategy: str) -> list[dict[str, str]]:
    if strategy != "multi_worker":
        return [{}]
    cluster = {"worker": list(free_addresses(WORKERS))}
    return [
        {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}
        for index in range(WORKERS)
    ]
