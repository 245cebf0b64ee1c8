"""The processes that run versions, as the operating system knows them."""

import os
import select
from pathlib import Path

_HOST = b"-m\0serving.isolation\0"


def hosts_of(server: int) -> set[int]:
    """Return the processes that a server has running versions."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
            if int(parent) == server and state != "Z" and _HOST in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


def await_end(process: int, seconds: float = 30.0) -> bool:
    """Wait for the end of a process, of whomever it is a child. Returns whether it came."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def exists(process: int) -> bool:
    """Tell whether there is a process, be it one that has ended and was not asked how."""
    return Path(f"/proc/{process}").exists()


def priorities(process: int, name: str = "") -> set[int]:
    """Return those of its threads whose names begin so."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return {
        os.getpriority(os.PRIO_PROCESS, int(task.name))
        for task in tasks
        if (task / "comm").read_text(encoding="utf-8").startswith(name)
    }
