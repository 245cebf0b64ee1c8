"""What a builder of ours tells TFDS: the facts of the catalogue, and its features."""

from collections.abc import Mapping
from typing import Any

import tensorflow_datasets as tfds

from training.sources import find_collection


def make_info(
    builder: Any, *, description: str, features: Mapping[str, Any], supervised_keys: tuple[Any, ...]
) -> tfds.core.DatasetInfo:
    """Return the DatasetInfo of a builder whose name is in the catalogue."""
    collection = find_collection(builder.name)
    return tfds.core.DatasetInfo(
        builder=builder,
        description=description,
        features=tfds.features.FeaturesDict(dict(features)),
        supervised_keys=supervised_keys,
        homepage=collection.homepage,
        citation=collection.citation,
        license=f"{collection.licence}; to be named: {collection.attribution}",
    )
