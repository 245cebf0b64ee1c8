"""To come."""

from training.sources.collection import Collection

SERIES: tuple[Collection, ...] = ()
