"""Where fetched data files lie, and whether they are whole.

    <data folder>/<data set>/<file>

The data folder is KERAS_ZOO_DATA, or ~/.cache/keras-zoo/data. Files appear there whole, by a rename.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from training.sources.collection import Collection, DataFile
from zoo.errors import DataError

ENVIRONMENT = "KERAS_ZOO_DATA"
"""The variable that says where data files are kept."""
_SCRATCH = ".fetching-"
_ABANDONED_SECONDS = 24 * 3600


def data_folder() -> Path:
    """Return the folder that all data files are kept in."""
    chosen = os.environ.get(ENVIRONMENT)
    return (Path(chosen) if chosen else Path("~/.cache/keras-zoo/data")).expanduser()


def cached_path(collection: Collection, file: DataFile) -> Path:
    """Return where a file of a data set lies, or will."""
    return data_folder() / collection.name / file.name


def find_fault(path: Path, file: DataFile) -> str | None:
    """Return what is wrong with a file: missing, truncated, or other bytes than expected; None where it is whole."""
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size < file.size:
        return f"is truncated: {size:,} of {file.size:,} bytes"
    with path.open("rb") as data:
        found = hashlib.file_digest(data, "sha256").hexdigest()
    return (
        None if found == file.sha256 else f"is corrupt: its sha256 is {found[:12]}..., expected {file.sha256[:12]}..."
    )


def require_whole(collection: Collection, file: DataFile) -> Path:
    """Return the path of a cached file. Raises DataError that names it where it is missing, truncated or corrupt."""
    path = cached_path(collection, file)
    fault = find_fault(path, file)
    if fault is not None:
        raise DataError(f"{path} {fault}; `zoo data fetch {collection.name}` mends it")
    return path


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder, on the disk of the data folder, that is gone afterwards; so are those that killed processes left."""
    root = data_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot keep data in {root}: {error.strerror}; set {ENVIRONMENT} to another folder") from None
    for old in root.glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=root, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
