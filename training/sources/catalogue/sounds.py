"""To come."""

from training.sources.collection import Collection

SOUNDS: tuple[Collection, ...] = ()
