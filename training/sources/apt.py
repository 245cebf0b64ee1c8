"""Data files inside Debian packages, on Debian, Ubuntu and their kin."""

import getpass
from dataclasses import dataclass
from pathlib import Path

from training.sources.client import run_client
from training.sources.collection import MissingClientError, SourceError, Watch
from training.sources.package import PackageSource

_REMEDY = "it comes with Debian, Ubuntu and their kin only"


@dataclass(frozen=True)
class AptSource(PackageSource):
    """A package by name, in whatever version the release of the system has: what is in it is checked, not the number.

    It is downloaded, not installed, and needs no rights: where the system's package lists are empty or old, as in most
    containers, lists of its own are read into a temporary folder.
    """

    @property
    def title(self) -> str:
        """What is asked of whom."""
        return f"apt: {self.package}"

    @property
    def pattern(self) -> str:
        """What the file name of the archive looks like."""
        return f"{self.package}_*.deb"

    def download(self, folder: Path, watch: Watch) -> None:
        """Put the archive into a folder."""
        options = ["-q", "-o", f"APT::Sandbox::User={getpass.getuser()}"]
        download = ["download", self.package]
        try:
            run_client(["apt-get", *options, *download], folder=folder, watch=watch, remedy=_REMEDY)
        except MissingClientError:
            raise
        except SourceError:
            lists = folder / ".client" / "apt"
            (lists / "lists" / "partial").mkdir(parents=True)
            own = [*options, "-o", f"Dir::State::Lists={lists / 'lists'}", "-o", f"Dir::Cache={lists}"]
            run_client(["apt-get", *own, "update"], folder=folder, watch=watch, remedy=_REMEDY)
            run_client(["apt-get", *own, *download], folder=folder, watch=watch, remedy=_REMEDY)
