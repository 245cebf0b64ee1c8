"""Data files that a builder of TensorFlow Datasets downloads, where the public data is the same as ours."""

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.sources.collection import DataFile, SourceError, Watch


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
        del watch  # TFDS has a progress bar of its own, which is off
        import tensorflow_datasets as tfds

        tfds.disable_progress_bar()
        scratch = folder / ".tfds"
        try:
            builder: Any = tfds.builder(self.dataset, data_dir=scratch)
            builder.download_and_prepare(file_format="tfrecord")
        except Exception as error:  # noqa: BLE001  # whatever its downloader, parser and disk may raise
            raise SourceError(f"{type(error).__name__}: {error}".partition("\n")[0]) from None
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
