"""Two workers that end at different times, in processes of their own: TensorFlow joins one cluster per process."""

import os
import subprocess
import sys
from pathlib import Path

from training.cluster.addresses import TF_CONFIG, Cluster, free_addresses
from training.cluster.leaving import leave_in_order

WORKER = """\
import os, sys, time
from training.cluster.addresses import Cluster
from training.cluster.leaving import leave_in_order
from training.cluster.multi_worker import make_multi_worker
cluster = Cluster.from_environment()
make_multi_worker(cluster, gpus=False, seconds=60)
print("ready", flush=True)
sys.stdin.readline()
print(time.monotonic_ns(), flush=True)
leave_in_order()
print(time.monotonic_ns(), flush=True)
os._exit(0)
"""


def start(cluster: Cluster, folder: Path) -> "subprocess.Popen[str]":
    with (folder / f"errors{cluster.task}").open("w") as errors:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER],
            env={**os.environ, TF_CONFIG: cluster.to_tf_config(), "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip


def begin_to_leave(process: "subprocess.Popen[str]") -> int:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return told_time(process)


def told_time(process: "subprocess.Popen[str]") -> int:
    """Read the next line. `communicate` would miss one that came together with the line before."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_the_chief_leaves_last_and_nobody_before_all_are_through(tmp_path: Path) -> None:
    addresses = free_addresses(2)
    chief, other = (start(Cluster(addresses, task), tmp_path) for task in range(2))
    try:
        for process in (chief, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        begin_to_leave(chief)
        late = begin_to_leave(other)
        ends = [told_time(process) for process in (chief, other)]
        for process in (chief, other):
            process.communicate(timeout=30)
    finally:
        for process in (chief, other):
            process.kill()
            process.communicate()
    assert min(ends) > late, "the chief waited for the other to be through"
    assert [process.returncode for process in (chief, other)] == [0, 0]
    assert "refused" not in "".join(path.read_text() for path in tmp_path.iterdir())


def test_who_is_part_of_no_cluster_just_leaves() -> None:
    leave_in_order(seconds=1e9)
