"""What the commands take for numbers, durations and versions."""

from argparse import ArgumentTypeError

_LARGEST_VERSION = (1 << 63) - 1
_MOST = 10_000


def seconds(text: str) -> float:
    """Read a duration of 0 or more. Raises ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return found


def positive_seconds(text: str) -> float:
    """Read a duration of more than 0. Raises ArgumentTypeError."""
    found = seconds(text)
    if found == 0:
        raise ArgumentTypeError(f"expected seconds, more than 0, got {text!r}")
    return found


def count(text: str) -> int:
    """Read how many. Raises ArgumentTypeError."""
    if not _is_decimal(text) or not 1 <= int(text) <= _MOST:
        raise ArgumentTypeError(f"expected a whole number, 1 to {_MOST}, got {text!r}")
    return int(text)


def version(text: str) -> int:
    """Read the number of a version. Raises ArgumentTypeError."""
    if not _is_decimal(text) or int(text) > _LARGEST_VERSION:
        raise ArgumentTypeError(f"expected the number of a version, 0 to {_LARGEST_VERSION}, got {text!r}")
    return int(text)


def version_or_label(text: str) -> int | str:
    """Read the number of a version, or what an operator calls it. Raises ArgumentTypeError."""
    return version(text) if _is_decimal(text) else text


def tolerance(text: str) -> float:
    """Read how far numbers may be apart. Raises ArgumentTypeError."""
    try:
        return seconds(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"expected a number, 0 or more, got {text!r}") from None


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 100  # Python refuses thousands of digits
