"""The passport that lies in a version folder, read once for all who want something of it."""

from dataclasses import dataclass
from pathlib import Path

from zoo.artifact import PASSPORT, read_passport_text
from zoo.errors import ArtifactError
from zoo.passport import Passport


@dataclass(frozen=True)
class StoredPassport:
    """What passport.json says, and how it says it. Immutable."""

    text: str
    """As it lies there, for clients that ask."""
    facts: Passport

    @classmethod
    def of(cls, version: Path) -> "StoredPassport | None":
        """Read that of a version folder; None of a SavedModel without one.

        Raises:
            ArtifactError: it cannot be read.
        """
        if not (version / PASSPORT).exists():
            return None
        text = read_passport_text(version)
        try:
            return cls(text, Passport.from_json(text))
        except ArtifactError as error:
            raise ArtifactError(f"{version / PASSPORT}: {error}") from None
