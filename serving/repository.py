"""What could be served, and which of it should be: the folders on disk and the version policy."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serving.status import ServerError
from zoo.artifact import list_models, list_versions


@dataclass(frozen=True)
class Repository:
    """A folder of models (`<model>/<version>/`), or one model's folder (`<version>/`) under a name of its own."""

    root: Path
    model_name: str | None = None
    """Set: `root` is the folder of this one model, as with TensorFlow Serving's `--model_base_path`."""

    def check(self) -> None:
        """Raise ServerError unless the folder can be a repository."""
        if not self.root.is_dir():
            what = "does not exist" if not self.root.exists() else "is not a folder"
            raise ServerError(
                f"{self.root} {what}: give a folder of models (<model>/<version>/saved_model.pb), "
                "or make one: zoo train digits_cnn"
            )
        if (self.root / "saved_model.pb").exists():
            raise ServerError(
                f"{self.root} is one version of a model. Give the folder of models, {self.root.absolute().parent.parent}"
            )
        if self.model_name is None and not list_models(self.root) and list_versions(self.root):
            raise ServerError(
                f"{self.root} holds versions, not models: it is one model's folder. Give the folder above it, "
                f"{self.root.parent}, or say --model_name {self.root.name} --model_base_path {self.root}"
            )

    def scan(self) -> dict[str, dict[int, Path]]:
        """Return the version folders there are now, by model and number."""
        if self.model_name is not None:
            return {self.model_name: list_versions(self.root)}
        return {name: list_versions(path) for name, path in list_models(self.root).items()}


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions of a model are served: the newest ones, or certain ones."""

    latest: int | None = 1
    """How many of the newest that load; None with `specific` empty means all of them."""
    specific: frozenset[int] = frozenset()

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
        return [v for v in newest_first if v in self.specific] if self.specific else newest_first
