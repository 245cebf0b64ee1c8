"""What a manager was told to serve."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.repository import ModelSource, VersionPolicy


@dataclass(frozen=True)
class Choices:
    """What a manager was told to serve, by its source and by callers since: enough for another to serve the same."""

    source: ModelSource
    unloaded: frozenset[str] = frozenset()
    """Models that a caller unloaded."""
    policies: Mapping[str, VersionPolicy] = field(default_factory=dict)
    """Of models whose policy a caller set, in place of the source's."""
