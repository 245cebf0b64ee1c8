from pydoc_data.topics import topics

import numpy as np
import pytest

from training.config import DataConfig
from training.data import Dataset, load_data
from training.datasets.pydoc_text import CHARACTERS, STEPS, STRIDE, decode, encode, read_text

TEXT = "\n".join(topics[name] for name in sorted(topics))


@pytest.fixture(scope="module")
def pydoc() -> Dataset:
    return load_data(DataConfig(name="pydoc_text"))


def test_ids_are_read_back_as_the_text() -> None:
    assert decode(encode("def f():\n    return “x”")) == "def f():\n    return “x”"
    assert encode("\n z").tolist() == [1, 2, CHARACTERS.index("z") + 1]


def test_an_unknown_character_is_known_as_such_and_padding_is_nothing() -> None:
    assert decode(encode("\N{SNOWMAN}")) == "\N{REPLACEMENT CHARACTER}"
    assert decode([0, 1, 0]) == "\n"


def test_the_text_is_what_help_reads() -> None:
    assert read_text() == TEXT
    unknown = sum(character not in CHARACTERS for character in TEXT)
    assert unknown / len(TEXT) < 1e-3


def test_a_label_is_the_character_after_its_input(pydoc: Dataset) -> None:
    for split in pydoc.splits.values():
        np.testing.assert_array_equal(split.named_inputs()["inputs"][:, 1:], split.named_labels()[""][:, :-1])


@pytest.mark.parametrize("split", ["validation", "calibration", "test"])
def test_every_held_out_character_counts_once(pydoc: Dataset, split: str) -> None:
    starts = {"validation": 0.8, "calibration": 0.85, "test": 0.9}
    ends = {"validation": 0.85, "calibration": 0.9, "test": 1.0}
    part = decode(encode(TEXT[round(starts[split] * len(TEXT)) : round(ends[split] * len(TEXT))]))
    rows = pydoc.split(split)
    assert rows.weights is not None
    assert rows.weights.sum() == len(part)
    # TFDS shuffled the rows, so they are compared as a collection of blocks.
    blocks = sorted(decode(labels[weights == 1]) for labels, weights in zip(rows.labels, rows.weights, strict=True))
    assert blocks == sorted(part[start : start + STRIDE] for start in range(0, len(part), STRIDE))


def test_what_counts_has_most_of_a_window_before_it(pydoc: Dataset) -> None:
    weights = pydoc.split("test").weights
    assert weights is not None
    assert (weights[:, : STEPS - STRIDE] == 0).all()


def test_what_is_learnt_from_ends_where_the_held_out_part_begins(pydoc: Dataset) -> None:
    train = decode(encode(TEXT[: round(0.8 * len(TEXT))]))
    windows = [decode(labels) for labels in pydoc.split("train").named_labels()[""]]
    assert all(window in train for window in windows[::50])
    assert sorted(windows) == sorted(train[start : start + STEPS] for start in range(1, len(train) - STEPS + 1, STRIDE))


def test_what_is_known_of_the_data(pydoc: Dataset) -> None:
    assert pydoc.licence.startswith("PSF License Version 2")
    assert pydoc.name.startswith("pydoc_text/python3.")
