"""Data files in a folder that a person names: fetched on another machine, or by hand."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.sources.collection import Collection, DataFile, SourceError, Watch
from training.sources.package import PackageSource


@dataclass(frozen=True)
class FolderSource:
    """A folder with the data files themselves, or with the packages that hold them."""

    folder: Path
    collection: Collection

    @property
    def title(self) -> str:
        """Which folder."""
        return f"folder: {self.folder}"

    @property
    def names(self) -> Sequence[str]:
        """The names of the data files that are looked for."""
        return tuple(file.name for file in self.collection.files)

    def provide(self, files: Sequence[DataFile], folder: Path, watch: Watch) -> None:
        """Put these files into another folder. Raises SourceError where one is not there."""
        del watch  # the disk is quick
        if not self.folder.is_dir():
            raise SourceError("there is no such folder")
        for file in files:
            given = self.folder / file.name
            if given.is_file():
                shutil.copyfile(given, folder / file.name)
            else:
                self._extract(file, folder)

    def _extract(self, file: DataFile, folder: Path) -> None:
        packages = [
            source
            for source in self.collection.sources
            if isinstance(source, PackageSource) and file.name in source.names
        ]
        for package in packages:
            for archive in sorted(self.folder.glob(package.pattern)):
                package.extract(archive, [file], folder)
                return
        patterns = " or ".join([file.name, *(package.pattern for package in packages)])
        raise SourceError(f"it holds no {patterns}")
