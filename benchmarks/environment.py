"""What every result carries: the machine, the versions, the commit."""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import timeit
from collections.abc import Iterable
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def describe(packages: Iterable[str]) -> dict[str, str]:
    """Return the facts to print above a result."""
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    changed = _git("status", "--porcelain", "-uno", ":!benchmarks/results")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit + (" + changes" if changed else ""),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "interpreter": f"{1e6 * _interpreter_seconds():.0f} us for a document of JSON written by Python code",
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages),
    }


def _interpreter_seconds() -> float:
    """Return what the interpreter takes for a little of everything: built without profiles, it takes a third longer."""
    document = {str(number): [number, {"a": number}] for number in range(50)}
    return min(timeit.repeat(lambda: json.dumps(document, indent=1), repeat=20, number=10)) / 10


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
