"""Where the files of our data sets come from, and fetching them; `training.datasets` makes rows of them."""

from training.sources.catalogue import CATALOGUE, find_collection
from training.sources.collection import Collection, DataFile
from training.sources.fetching import FetchReport, fetch
from training.sources.files import data_files

__all__ = ["CATALOGUE", "Collection", "DataFile", "FetchReport", "data_files", "fetch", "find_collection"]
