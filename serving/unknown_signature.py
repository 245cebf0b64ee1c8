"""The error for a signature that a version does not have: what clients look for in it depends on the method they called."""

from collections.abc import Iterable

from serving.status import Code, StatusError
from zoo.errors import did_you_mean


class UnknownSignatureError(StatusError):
    """INVALID_ARGUMENT, in the words of TensorFlow Serving's REST API."""

    def __init__(self, wanted: str, known: Iterable[str]) -> None:
        self.wanted = wanted
        self.hint = did_you_mean(wanted, list(known))
        super().__init__(
            Code.INVALID_ARGUMENT,
            f'Serving signature name: "{wanted}" not found in signature def; {self.hint}',
            field="model_spec.signature_name",
        )

    def reworded(self, start: str, code: Code = Code.INVALID_ARGUMENT) -> StatusError:
        """Return the same error beginning with other words."""
        return StatusError(code, f"{start}; {self.hint}", field=self.field)
