"""Processor time that the host of a virtual machine gives to others: what is measured meanwhile says more of them."""

from collections.abc import Callable
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

BEARABLE = 0.005
"""Of the processor time that was wanted, so much may be taken. The least that a kernel tells of is a hundredth of a second,
a percent of a short measurement: that much, in pieces, doubles the 99th percentile of lone calls."""
TRIES = 6


def least_disturbed(attempt: Callable[[], T], clock: Callable[[], Any] = psutil.cpu_times) -> list[tuple[float, T]]:
    """Measure until the host leaves the processors alone, at most TRIES times, whatever is measured.

    Args:
        attempt: measures once.
        clock: tells the processor time since the start of the machine, by what it was spent on.

    Returns:
        What each attempt found, with the share of the processor time that it missed; the least disturbed first.
    """
    found = []
    for _ in range(TRIES):
        before = clock()
        what = attempt()
        found.append((stolen_share(before, clock()), what))
        if found[-1][0] <= BEARABLE:
            break
    return sorted(found, key=lambda each: each[0])


def stolen_share(before: Any, after: Any) -> float:
    """Return the share of the processor time wanted in between that others on the host had; 0 where that is not told."""
    spent = {name: getattr(after, name) - getattr(before, name) for name in after._fields}
    waited = spent.get("steal", 0.0)
    idle = spent["idle"] + spent.get("iowait", 0.0) + spent.get("guest", 0.0) + spent.get("guest_nice", 0.0)
    wanted = sum(spent.values()) - idle
    return waited / wanted if wanted > 0 else 0.0
