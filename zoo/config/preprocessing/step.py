"""What every preprocessing step tells of itself."""

from zoo.config.base import Config
from zoo.config.spec import Spec


def unencodable(text: str) -> bool:
    """Tell whether text holds half of a surrogate pair, which UTF-8 cannot write and TensorFlow refuses."""
    return any("\ud800" <= character <= "\udfff" for character in text)


class StepConfig(Config):
    """Base of the preprocessing steps."""

    kind: str

    def input_dtype(self) -> str:
        """Return the dtype that a client sends where this step comes first."""
        return "float32"

    def output(self, spec: Spec) -> Spec:
        """Return what comes out where `spec` goes in.

        Raises:
            ValueError: the step cannot take that; the message says what it takes.
        """
        raise NotImplementedError

    def needs_adapting(self) -> bool:
        """Tell whether it has to see the training data before it can be used."""
        return False

    def keeps_zeros(self) -> bool:
        """Tell whether 0 stays 0, so that padding can still be told apart."""
        return False

    def ids(self, spec: Spec) -> int | None:  # noqa: ARG002 - of steps that number columns, it depends on what goes in
        """Return how many ids there are, 0 included, or None where none come out. `spec` is what goes in."""
        return None

    def refuse_unless_numbers(self, spec: Spec) -> None:
        """Raise ValueError unless the spec is one of numbers."""
        if spec.dtype != "float32":
            raise ValueError(f"{self.kind} takes float32, got {spec}: put it before what makes tokens")
