"""The files of a data set, for its builder."""

import logging
from pathlib import Path

from training.sources.cache import cached_path, require_whole
from training.sources.collection import Collection
from training.sources.fetching import fetch

_log = logging.getLogger(__name__)


def data_files(collection: Collection) -> dict[str, Path]:
    """Return the path of every file of a data set by its name, fetching those that are not there.

    Raises:
        DataError: a file cannot be fetched, or is damaged: only a person's `zoo data fetch` replaces what is there.
    """
    if any(not cached_path(collection, file).exists() for file in collection.files):
        _log.info("fetching the data set %s", collection.name)
        present = [file for file in collection.files if cached_path(collection, file).exists()]
        for file in present:
            require_whole(collection, file)
        fetch(collection)
    return {file.name: require_whole(collection, file) for file in collection.files}
