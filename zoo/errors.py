"""What can go wrong, in words a person can act on.

    ZooError
     ├── ConfigError        a config holds a value or a field that cannot be (also a ValueError)
     ├── UnknownNameError   no architecture, model, recipe or data set of that name (also a LookupError)
     ├── RegistrationError  two registrations claim one name (also a ValueError)
     ├── ExportError        a model cannot become an artifact (also a ValueError)
     ├── StreamError        a model cannot be fed in pieces, or a piece does not fit (also a ValueError)
     ├── NotAdaptedError    preprocessing has not seen the training data yet (also a RuntimeError)
     ├── ArtifactError      what lies on disk is not an artifact that can be read
     └── DataError          a data file is missing or damaged and cannot be fetched

`DeprecatedNameWarning` says that a name still works and what it is called now; Python shows it by default.

Standard library only: `serving` uses this module too.
"""

from collections.abc import Iterable
from reprlib import Repr
from typing import Any


class DeprecatedNameWarning(FutureWarning):
    """A name that has a new one was used."""


class ZooError(Exception):
    """Base of every error that this project raises on purpose."""


class ConfigError(ZooError, ValueError):
    """A config holds a value or a field that cannot be."""


class UnknownNameError(ZooError, LookupError):
    """No such name where one was looked up."""


class RegistrationError(ZooError, ValueError):
    """Two registrations claim the same name."""


class ExportError(ZooError, ValueError):
    """A model cannot become an artifact."""


class StreamError(ZooError, ValueError):
    """A model cannot be fed in pieces, or a piece does not fit."""


class NotAdaptedError(ZooError, RuntimeError):
    """A model was used before its preprocessing saw the training data."""

    _keras_call_info_injected = True  # Keras then leaves the message as it is, rather than wrapping it in its own


class ArtifactError(ZooError):
    """What lies on disk is not an artifact that can be read."""


class DataError(ZooError):
    """A data file is missing or damaged, and cannot be fetched."""


_SHOWN = 80


class _Short(Repr):
    """Looks at no more of a value than it shows: one of a few lines may stand for billions of values."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = _SHOWN

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002 - the signature is reprlib's
        """Show an int; of one with thousands of digits Python refuses to make text."""
        return repr(x) if x.bit_length() <= 128 else f"a number of {x.bit_length()} bits"


_short = _Short()


def shown(value: Any) -> str:
    """Return what a message shows of a value that it refuses: its repr, at most 80 characters of it."""
    return _short.repr(value)[:_SHOWN]


def one_line(error: BaseException) -> str:
    """Return what an exception of another library says as one line, where it may say pages, or nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[0]:.300}" if lines else type(error).__name__


_LONGEST_NAME = 200  # comparing takes time by the square of the length, and a stranger may choose it


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint such as `did you mean 'units'? known: activation, units`.

    Args:
        name: what was asked for.
        known: the names that exist.
    """
    names = sorted(known)
    if not names:
        return "there are none"
    from difflib import get_close_matches

    nearest = get_close_matches(name[:_LONGEST_NAME], names, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"{hint}known: {', '.join(names)}"
