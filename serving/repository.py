"""What should be live: models, each with a folder of versions, a policy which of them to serve, and labels."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from serving.status import ServerError, invalid
from zoo.artifact import list_models, list_versions


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions of a model are served: the newest ones, certain ones, or all."""

    latest: int | None = 1
    """How many of the newest that load; None for all of them. Of no meaning beside `specific`."""
    specific: frozenset[int] | None = None
    """These versions and no others."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `latest`, `latest:2`, `all` or `3,5`. Raises ServerError on anything else."""
        if text == "all":
            return cls(latest=None)
        if match := re.fullmatch(r"latest(?::([1-9]\d*))?", text):
            return cls(latest=int(match[1] or 1))
        if re.fullmatch(r"\d+(,\d+)*", text):
            return cls(latest=None, specific=frozenset(map(int, text.split(","))))
        raise ServerError(f"versions {text!r}: expected 'latest', 'latest:2', 'all', or numbers such as '3,5'")

    def candidates(self, versions: Iterable[int]) -> list[int]:
        """Return the versions that may be served, in the order of preference."""
        newest_first = sorted(versions, reverse=True)
        return newest_first if self.specific is None else [v for v in newest_first if v in self.specific]

    def limit(self, candidates: int) -> int:
        """Return how many of so many candidates are served, if as many load."""
        return candidates if self.latest is None or self.specific is not None else self.latest


@dataclass(frozen=True)
class RequestLogging:
    """How requests to a model are to be logged: TensorFlow Serving's LoggingConfig."""

    sampling_rate: float
    """From 0, none of them, to 1, all."""
    filename_prefix: str = ""
    kind: str = ""
    """What collects them, in TensorFlow Serving's words `type`."""


@dataclass(frozen=True)
class ModelEntry:
    """One model that should be live."""

    name: str
    base_path: Path
    """The folder of its versions."""
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = field(default_factory=dict)
    """Versions by what an operator calls them."""
    request_logging: RequestLogging | None = None

    def versions(self) -> dict[int, Path]:
        """Return the version folders there are now, by number.

        Raises:
            StatusError: INVALID_ARGUMENT; there is no such folder.
            OSError: it cannot be read.
        """
        if not self.base_path.is_dir():
            what = "not found" if not self.base_path.exists() else "is not a folder"
            raise invalid(
                f"Could not find base path {self.base_path} for servable {self.name} with error NOT_FOUND: "
                f"{self.base_path} {what}",
                field="base_path",
            )
        return list_versions(self.base_path)


class ModelSource(Protocol):
    """Says which models should be live."""

    @property
    def is_complete(self) -> bool:
        """Whether a model that it does not name should be unloaded."""
        ...

    def models(self) -> Mapping[str, ModelEntry]:
        """Return the models by name, as of now. Raises OSError where that cannot be told."""
        ...


@dataclass(frozen=True)
class Repository:
    """A folder of models (`<model>/<version>/`), or one model's folder (`<version>/`) under a name of its own.

    A model is picked up when its folder appears, and stays when that is gone: its last version keeps answering.
    """

    root: Path
    model_name: str | None = None
    """Set: `root` is the folder of this one model, as with TensorFlow Serving's `--model_base_path`."""
    policy: VersionPolicy = VersionPolicy()

    @property
    def is_complete(self) -> bool:
        """See ModelSource."""
        return False

    def models(self) -> dict[str, ModelEntry]:
        """See ModelSource."""
        folders = list_models(self.root) if self.model_name is None else {self.model_name: self.root}
        return {name: ModelEntry(name, folder, self.policy) for name, folder in folders.items()}

    def check(self) -> None:
        """Raise ServerError unless the folder can be a repository."""
        if not self.root.is_dir():
            what = "does not exist" if not self.root.exists() else "is not a folder"
            if self.model_name is not None:
                raise ServerError(
                    f"{self.root} {what}: give the folder of the model {self.model_name!r}, <version>/saved_model.pb in it"
                )
            raise ServerError(
                f"{self.root} {what}: give a folder of models (<model>/<version>/saved_model.pb), "
                "or make one: zoo train digits_cnn"
            )
        if (self.root / "saved_model.pb").exists():
            model = self.root.absolute().parent
            right = f"the model's folder, {model}" if self.model_name else f"the folder of models, {model.parent}"
            raise ServerError(f"{self.root} is one version of a model. Give {right}")
        if self.model_name is None and not list_models(self.root) and list_versions(self.root):
            raise ServerError(
                f"{self.root} holds versions, not models: it is one model's folder. Give the folder above it, "
                f"{self.root.parent}, or say --model_name {self.root.name} --model_base_path {self.root}"
            )


@dataclass(frozen=True)
class ModelTable:
    """Models from wherever, each with a folder, a policy and labels of its own; what it does not name is unloaded."""

    entries: tuple[ModelEntry, ...] = ()
    """No name twice."""

    @property
    def is_complete(self) -> bool:
        """See ModelSource."""
        return True

    def models(self) -> dict[str, ModelEntry]:
        """See ModelSource."""
        return {entry.name: entry for entry in self.entries}

    def check(self) -> None:
        """Raise StatusError (INVALID_ARGUMENT) unless every model has a folder."""
        for entry in self.entries:
            entry.versions()
