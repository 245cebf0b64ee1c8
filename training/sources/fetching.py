"""Getting the files of a data set into the cache: each source in turn until they are there and their sha256 is right."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.sources.cache import cached_path, data_folder, find_fault, scratch_folder
from training.sources.collection import Collection, DataFile, MissingClientError, Source, SourceError
from training.sources.folder import FolderSource
from zoo.errors import DataError

Progress = Callable[[str, int], None]
"""Told from time to time which source is at work and how many bytes have come so far."""


@dataclass(frozen=True)
class Fetched:
    """A file that came, and how."""

    path: Path
    source: str
    seconds: float
    mended: str = ""
    """What was wrong with the file that it replaced, if there was one."""


@dataclass(frozen=True)
class FetchReport:
    """The outcome of a fetch: all files of the data set are there and whole."""

    folder: Path
    fetched: tuple[Fetched, ...]
    """What came now; what was there already is not in it."""
    failed: tuple[str, ...]
    """What the sources said that were tried in vain."""


def fetch(
    collection: Collection, *, folder: str | Path | None = None, progress: Progress = lambda _source, _size: None
) -> FetchReport:
    """Get the files of a data set into the cache. Files that are whole are kept, others replaced.

    An interrupted fetch leaves the files that were whole by then and nothing else; the next one goes on with the rest.

    Args:
        collection: the data set.
        folder: take them from here, and nowhere else.
        progress: told how it goes.

    Raises:
        DataError: no source has a file; says what each of them said, and which programs are missing.
    """
    wanted = {file: find_fault(cached_path(collection, file), file) for file in collection.files}
    wanted = {file: fault for file, fault in wanted.items() if fault is not None}
    sources: Sequence[Source] = (
        collection.sources if folder is None else [FolderSource(Path(folder).expanduser(), collection)]
    )
    fetched: list[Fetched] = []
    failed: list[str] = []
    missing: list[str] = []
    for source in sources:
        files = [file for file in wanted if file.name in source.names]
        if not files:
            continue
        begin = time.monotonic()
        progress(source.title, 0)
        try:
            come = _from(source, files, collection, progress)
        except SourceError as error:
            failed.append(f"{source.title}: {error}")
            if isinstance(error, MissingClientError):
                missing.append(error.client)
            continue
        seconds = time.monotonic() - begin
        for file in files:
            fault = wanted.pop(file) or ""
            fetched.append(Fetched(come[file], source.title, seconds, "" if fault == "is missing" else fault))
    if wanted:
        raise DataError(_explanation(collection, list(wanted), failed, missing))
    return FetchReport(data_folder() / collection.name, tuple(fetched), tuple(failed))


def _from(
    source: Source, files: Sequence[DataFile], collection: Collection, progress: Progress
) -> dict[DataFile, Path]:
    with scratch_folder() as scratch:
        come = Path(tempfile.mkdtemp(dir=scratch))
        source.provide(files, come, lambda size: progress(source.title, size))
        for file in files:
            fault = find_fault(come / file.name, file)
            if fault is not None:
                raise SourceError(f"its {file.name} {fault}")
        paths = {file: cached_path(collection, file) for file in files}
        for file, path in paths.items():
            path.parent.mkdir(exist_ok=True)
            (come / file.name).replace(path)
        return paths


def _explanation(
    collection: Collection, files: Sequence[DataFile], failed: Sequence[str], missing: Sequence[str]
) -> str:
    names = ", ".join(file.name for file in files)
    lines = [f"could not fetch {names} of the data set {collection.name!r}:", *(f"  {line}" for line in failed)]
    if missing:
        lines.append(f"  missing here: {', '.join(dict.fromkeys(missing))}")
    lines.append(
        f"  or fetch one of these on another machine and name its folder: zoo data fetch {collection.name} --from FOLDER"
    )
    return "\n".join(lines)
