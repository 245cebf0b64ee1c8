"""How urgent a request is, in the words of clients: Triton's numbers, 1 for the most urgent and 0 for the default."""

from serving.status import invalid

KEY = "zoo-priority"
"""The metadata in which a call says how urgent it is."""
LEVELS = 5
DEFAULT_LEVEL = (LEVELS + 1) // 2


def level_of(priority: int) -> int:
    """Return the level, 1 to LEVELS, of a priority: the middle one for 0, the last one for whatever is larger."""
    return min(priority, LEVELS) if priority > 0 else DEFAULT_LEVEL


def read_priority(text: str | bytes | None) -> int:
    """Return the priority that a call's metadata asks for; 0 where it says nothing.

    Raises:
        StatusError: INVALID_ARGUMENT; it is no number, or a negative one.
    """
    if text is None:
        return 0
    plain = text.decode(errors="replace") if isinstance(text, bytes) else text
    if not (plain.isascii() and plain.isdigit() and len(plain) <= 18):
        raise invalid(
            f"metadata {KEY!r} is {plain[:40]!r}: expected 0 (the default), or 1 (the most urgent) to {LEVELS}",
            field=f'metadata["{KEY}"]',
        )
    return int(plain)
