import re

import numpy as np
import pytest

from training.config import DataConfig
from training.data import Dataset, load_data
from training.sources import CATALOGUE, data_files

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def snippets() -> Dataset:
    return load_data(DataConfig(name="movie_snippets"))


def texts_of(data: Dataset, split: str) -> list[str]:
    return [text.decode() for text in data.split(split).named_inputs()["inputs"]]


def test_splits_have_their_sizes_and_both_classes_half(snippets: Dataset) -> None:
    for name, rows in CATALOGUE["movie_snippets"].splits.items():
        labels = snippets.split(name).named_labels()[""]
        assert len(labels) == rows
        assert 0.45 < labels.mean() < 0.55


def test_ratings_make_the_labels(snippets: Dataset) -> None:
    (path,) = data_files(CATALOGUE["movie_snippets"]).values()
    wanted = set()
    for line in path.read_text().splitlines():
        _, rating, text = line.split("\t")
        if abs(float(rating)) >= 0.5:
            wanted.add((text.strip(), float(rating) > 0))
    found = [
        (text, bool(label))
        for name in snippets.splits
        for text, label in zip(texts_of(snippets, name), snippets.split(name).named_labels()[""], strict=True)
    ]
    assert len(found) == 4996 + 5076
    assert set(found) == wanted


def test_no_sentence_is_in_two_splits_whatever_its_case_and_punctuation(snippets: Dataset) -> None:
    def plain(text: str) -> str:
        return " ".join(re.findall("[a-z0-9]+", text.lower()))

    splits = [{plain(text) for text in texts_of(snippets, name)} for name in snippets.splits]
    assert sum(map(len, splits)) == len(set.union(*splits))


def test_no_run_of_six_words_is_in_two_splits(snippets: Dataset) -> None:
    def runs(name: str) -> set[str]:
        words = [re.findall("[a-z0-9]+", text.lower()) for text in texts_of(snippets, name)]
        return {" ".join(each[start : start + 6]) for each in words for start in range(len(each) - 5)}

    splits = [runs(name) for name in snippets.splits]
    assert sum(map(len, splits)) == len(set.union(*splits))


def test_what_is_known_of_the_data(snippets: Dataset) -> None:
    assert snippets.class_names == ("negative", "positive")
    assert snippets.licence.startswith("MIT; to be named: VADER-Sentiment-Analysis, Copyright (c) 2016 C.J. Hutto")
    assert np.all([text for name in snippets.splits for text in texts_of(snippets, name)])
