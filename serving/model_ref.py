"""Which model, and which of its versions, a request is for; known to no protocol."""

from typing import NamedTuple


class ModelRef(NamedTuple):
    """A model by name, and a version by number or by label; with neither, the one the model answers with by itself."""

    name: str
    version: int | None = None
    label: str | None = None
    """What an operator calls a version, `stable` for one. Never given together with `version`."""

    def __str__(self) -> str:
        """Return it as TensorFlow Serving writes it in its messages."""
        if self.version is not None:
            return f"Specific({self.name}, {self.version})"
        if self.label is not None:
            return f"Label({self.name}, {self.label})"
        return f"Latest({self.name})"
