"""What a builder of ours tells TFDS: the facts of the catalogue, and its features."""

from collections.abc import Mapping
from typing import Any

import tensorflow_datasets as tfds

from training.sources import find_collection


def make_info(
    builder: Any,
    *,
    description: str,
    features: Mapping[str, Any],
    supervised_keys: tuple[Any, ...],
    in_order: bool = False,
) -> tfds.core.DatasetInfo:
    """Return the DatasetInfo of a builder whose name is in the catalogue; `in_order` keeps rows as they are generated."""
    collection = find_collection(builder.name)
    return tfds.core.DatasetInfo(
        builder=builder,
        description=description,
        features=tfds.features.FeaturesDict(dict(features)),
        supervised_keys=supervised_keys,
        disable_shuffling=in_order,
        homepage=collection.homepage,
        citation=collection.citation,
        license=f"{collection.licence}; to be named: {collection.attribution}",
    )
