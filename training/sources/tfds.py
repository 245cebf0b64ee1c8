"""Data files that a builder of TensorFlow Datasets downloads, where the public data is the same as ours."""

import gzip
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.sources.client import run_client
from training.sources.collection import DataFile, SourceError, Watch

_PROGRAM = """\
import sys, tensorflow_datasets as tfds
tfds.disable_progress_bar()
tfds.builder(sys.argv[1], data_dir=sys.argv[2]).download_and_prepare(file_format="tfrecord")
"""
"""In a process of its own: in ours it could be neither stopped nor kept quiet. The command `tfds` needs apache_beam."""


@dataclass(frozen=True)
class TfdsSource:
    """A data set of TFDS. It keeps what it downloads under names of its own, so files are known by their contents."""

    dataset: str
    names: Sequence[str]

    @property
    def title(self) -> str:
        """What is asked of whom."""
        return f"tfds: {self.dataset}"

    def provide(self, files: Sequence[DataFile], folder: Path, watch: Watch) -> None:
        """Put these files into a folder. Raises SourceError where they do not come."""
        scratch = folder / ".tfds"
        command: list[str | Path] = [sys.executable, "-c", _PROGRAM, self.dataset, scratch]
        run_client(command, folder=folder, watch=watch, remedy="pip install tensorflow-datasets")
        wanted = {file.sha256: file.name for file in files}
        for path in (scratch / "downloads").rglob("*"):
            for data in _contents(path):
                name = wanted.get(hashlib.sha256(data).hexdigest())
                if name is not None:
                    (folder / name).write_bytes(data)
        absent = [file.name for file in files if not (folder / file.name).exists()]
        if absent:
            raise SourceError(f"the data is public, but no longer the same: nothing in it is our {', '.join(absent)}")


def _contents(path: Path) -> list[bytes]:
    """Return what a file holds, packed and unpacked."""
    if not path.is_file():
        return []
    data = path.read_bytes()
    try:
        return [data, gzip.decompress(data)]
    except (gzip.BadGzipFile, EOFError):
        return [data]
