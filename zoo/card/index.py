"""The index of a repository: one line for each model, from the passport of its newest version."""

from pathlib import Path

from zoo.artifact import PASSPORT, list_models, list_versions, read_passport
from zoo.card.files import CARD, PICTURE
from zoo.card.markdown import code, plain, table
from zoo.passport import SERVING, Passport

FIRST = ("accuracy", "mae", "rmse", "loss")
"""Metrics by which a model is told at a glance; the first that it has."""


def index_of(repository: Path) -> str:
    """Return a Markdown page on every model of a repository: task, data, metric, size, latency and picture.

    Raises:
        ArtifactError: the passport of a newest version cannot be read.
        OSError: the repository cannot be read.
    """
    rows = []
    for name, folder in list_models(repository).items():
        versions = list_versions(folder)
        version = versions[max(versions)]
        if (version / PASSPORT).exists():
            rows.append(_row(name, version.relative_to(repository).as_posix(), version, read_passport(version)))
        else:
            rows.append([plain(name), "a SavedModel without a passport", "", "", _size(version), "", ""])
    head = ["model", "task", "data", "test metric [95 % interval]", "size", "one row", "how good"]
    lines = ["# Models", "", "Made by `zoo card --index`. `zoo serve` serves them, `zoo verify PATH` checks one.", ""]
    return "\n".join([*lines, table(head, rows), ""])


def _row(name: str, place: str, version: Path, passport: Passport) -> list[str]:
    title = f"[{plain(name)}]({place}/{CARD.as_posix()})" if (version / CARD).exists() else plain(name)
    data = passport.data or {}
    picture = f"![metrics]({place}/{PICTURE.as_posix()})" if (version / PICTURE).exists() else ""
    return [
        title,
        _task(passport),
        code(data["name"]) if "name" in data else "",
        _metric(passport),
        _size(version),
        _latency(passport),
        picture,
    ]


def _task(passport: Passport) -> str:
    outputs = passport.signatures[SERVING].outputs
    classes = [f"one of {len(labels)} classes" for labels in passport.class_names.values()]
    values = [f"{name}, a number" for name in outputs if name == "value" or name.endswith("_value")]
    inputs = ", ".join(f"{x.dtype} {list(x.shape[1:])}" for x in passport.signatures[SERVING].inputs.values())
    return plain(f"{inputs} to {', '.join([*classes, *values]) or ', '.join(outputs)}")


def _metric(passport: Passport) -> str:
    measured = passport.metrics.get("test") or passport.metrics.get("validation") or {}
    name = next((each for each in FIRST if each in measured), next(iter(measured), None))
    if name is None:
        return ""
    interval = passport.intervals.get("test", {}).get(name)
    return f"{plain(name)} {measured[name]:.4g}" + (f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else "")


def _size(version: Path) -> str:
    files = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    lite = version / "model.tflite"
    return f"{files / 1000:,.0f} kB" + (f", model.tflite {lite.stat().st_size / 1000:,.0f} kB" if lite.exists() else "")


def _latency(passport: Passport) -> str:
    found = passport.measured.latency.get("1") if passport.measured else None
    return f"{found.median:.2g} ms" if found else ""
