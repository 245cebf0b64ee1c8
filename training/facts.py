"""What a run was made with: libraries, machine, code and data, written down when it starts."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from training.data import Dataset
from zoo.machine import gpus, processor
from zoo.passport import Parent

FACTS = "facts.json"
_LIBRARIES = ("keras-zoo", "keras", "tensorflow", "tensorflow-datasets", "numpy")
_GIT_SECONDS = 5


def write_facts(folder: Path, data: Dataset, parent: Parent | None = None) -> None:
    """Write `facts.json` into a run's folder, in place of one that is there: a run that goes on keeps its parent."""
    begun = read_facts(folder).get("parent") or (None if parent is None else asdict(parent))
    facts = {"environment": environment(), "data": data.facts(), "command": sys.argv, "parent": begun}
    staging = folder / ("." + FACTS)
    staging.write_text(json.dumps(facts, indent=1, default=str) + "\n", encoding="utf-8")
    staging.replace(folder / FACTS)


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what `write_facts` wrote; nothing where there is none that can be read."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def read_parent(folder: Path) -> Parent | None:
    """Return the exported version that a run began with; None where it began with random weights."""
    facts = read_facts(folder).get("parent")
    return Parent(**facts) if isinstance(facts, dict) else None


def environment() -> dict[str, str]:
    """Return versions, machine and the commit of the folder that one works in, in words."""
    facts = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    facts["system"] = platform.platform()
    facts["processor"] = f"{processor()}, {len(os.sched_getaffinity(0))} cores for this process"
    facts |= {"gpus": ", ".join(gpus())} if gpus() else {}
    commit = _commit(Path.cwd())
    return facts | ({"commit": commit} if commit else {})


def _commit(folder: Path) -> str | None:
    """Return the commit of a folder's repository, and whether files differ from it; None where there is none."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the person uses
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}{', with changes' if changed else ''}"
