"""To come."""

from training.sources.collection import Collection

TEXTS: tuple[Collection, ...] = ()
