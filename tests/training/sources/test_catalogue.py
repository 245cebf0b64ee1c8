import re

import pytest

from training.datasets import BUILDERS
from training.sources import CATALOGUE, find_collection
from zoo.errors import UnknownNameError


def test_every_builder_has_facts_and_all_facts_a_builder() -> None:
    assert CATALOGUE.keys() == BUILDERS.keys()


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_file_has_a_source_or_nothing_is_to_be_fetched(name: str) -> None:
    collection = CATALOGUE[name]
    provided = {file for source in collection.sources for file in source.names}
    assert {file.name for file in collection.files} == provided
    assert bool(collection.files) != bool(collection.comes_with)


@pytest.mark.parametrize("name", CATALOGUE)
def test_licence_and_attribution_are_stated(name: str) -> None:
    assert CATALOGUE[name].licence
    assert CATALOGUE[name].attribution


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != "pydoc_text"])
def test_splits_have_their_names_in_order(name: str) -> None:
    assert list(CATALOGUE[name].splits) == ["train", "validation", "calibration", "test"]


def test_every_sha256_is_one() -> None:
    files = [file for collection in CATALOGUE.values() for file in collection.files]
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) and file.size > 0 for file in files)
    assert len({file.sha256 for file in files}) == len(files)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match="'fashion_mnist' is no data set of ours; did you mean 'fashion_mnist_70k'"
    ):
        find_collection("fashion_mnist")
