"""The processor cores that this process may use."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/{}"


def available_cores() -> int:
    """Return how many cores this process may use: those it is pinned to, where it is. A thread may be kept to fewer."""
    return len(os.sched_getaffinity(os.getpid())) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def affordable_cores() -> int:
    """Return how many cores' worth of time this process may use: a container's quota may be less than its cores."""
    cores = available_cores()
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))


def shares(workers: int) -> list[frozenset[int]]:
    """Divide the cores of this process among workers, neighbours together; some share one where there are too few."""
    cores = sorted(os.sched_getaffinity(0), key=_place)
    return [_share(cores, worker, workers) for worker in range(workers)]


def _share(cores: Sequence[int], worker: int, workers: int) -> frozenset[int]:
    if workers >= len(cores):
        return frozenset({cores[worker % len(cores)]})
    first, after = (len(cores) * each // workers for each in (worker, worker + 1))
    return frozenset(cores[first:after])


def _place(core: int) -> tuple[int, int, int]:
    """Order cores by package and by the physical core whose time they share."""
    return _topology(core, "physical_package_id"), _topology(core, "core_id"), core


def _topology(core: int, what: str) -> int:
    try:
        return int(Path(_TOPOLOGY.format(core, what)).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
