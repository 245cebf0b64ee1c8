"""The data sets that come with keras-zoo: facts and sources of each, one file per kind of data."""

from training.sources.catalogue.images import IMAGES
from training.sources.catalogue.series import SERIES
from training.sources.catalogue.sounds import SOUNDS
from training.sources.catalogue.tables import TABLES
from training.sources.catalogue.texts import TEXTS
from training.sources.collection import Collection
from zoo.errors import UnknownNameError, did_you_mean

CATALOGUE: dict[str, Collection] = {
    collection.name: collection for collection in (*IMAGES, *TABLES, *SERIES, *TEXTS, *SOUNDS)
}
"""Every data set of ours by name."""


def find_collection(name: str) -> Collection:
    """Return the facts of a data set of ours. Raises UnknownNameError."""
    if name not in CATALOGUE:
        raise UnknownNameError(
            f"{name!r} is no data set of ours; {did_you_mean(name, CATALOGUE)}. "
            "Those of TensorFlow Datasets need no fetching: name one in a recipe and TFDS downloads it"
        )
    return CATALOGUE[name]
