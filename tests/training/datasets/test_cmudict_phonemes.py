from pathlib import Path

import numpy as np
import pytest

from training.config import DataConfig
from training.data import Dataset, load_data
from training.datasets.cmudict_phonemes import LETTERS, PHONEMES, pronounce, read_words, spell, split_words
from training.sources import CATALOGUE


def test_of_the_dictionary_words_with_their_first_pronunciation_are_kept_without_stress(tmp_path: Path) -> None:
    path = tmp_path / "dict.txt"
    path.write_text("A  AH0\nA(1)  EY1\nA'S  EY1 Z\nA42128  EY1 F\nAD-HOC  AE1 D\nBACH  B AA1 K\n" + "X" * 17 + "  B\n")
    assert read_words(path) == {"a": ["AH"], "a's": ["EY", "Z"], "bach": ["B", "AA", "K"]}


def test_letters_and_phonemes_are_numbered_from_one() -> None:
    assert spell("Abz'").tolist() == [1, 2, 26, 27] + [0] * 12
    assert (LETTERS[0], PHONEMES[:3], len(PHONEMES)) == ("a", ("<start>", "<end>", "AA"), 2 + 39)


def test_phonemes_are_read_up_to_the_end_or_padding() -> None:
    assert pronounce([3, 4, 2, 5]) == ["AA", "AE"]
    assert pronounce(np.array([3, 0, 4])) == ["AA"]


def test_a_word_lies_with_its_plural() -> None:
    words = [
        f"{stem}{ending}"
        for stem in ("cat", "dog", "hen", "cow", "pig", "fly", "elk", "yak")
        for ending in ("", "s", "'s")
    ]
    for part in split_words(words).values():
        found = {word.rstrip("s").rstrip("'") for word in part}
        assert len(part) == 3 * len(found)


@pytest.fixture(scope="module")
def phonemes() -> Dataset:
    return load_data(DataConfig(name="cmudict_phonemes"))


@pytest.mark.data
@pytest.mark.slow
class TestWhole:
    def test_splits_have_their_sizes(self, phonemes: Dataset) -> None:
        assert {name: len(rows) for name, rows in phonemes.splits.items()} == CATALOGUE["cmudict_phonemes"].splits

    def test_no_word_is_in_two_splits(self, phonemes: Dataset) -> None:
        splits = [{row.tobytes() for row in rows.named_inputs()["inputs"]} for rows in phonemes.splits.values()]
        assert sum(map(len, splits)) == len(set.union(*splits)) == 123_764

    def test_the_decoder_sees_a_start_and_then_the_labels_one_step_late(self, phonemes: Dataset) -> None:
        split = phonemes.split("test")
        seen, labels = split.named_inputs()["decoder_inputs"], split.named_labels()[""]
        assert (seen[:, 0] == 1).all()
        ends = labels == 2
        assert (ends.sum(axis=1) == 1).all()
        np.testing.assert_array_equal(seen[:, 1:], np.where(ends[:, :-1], 0, labels[:, :-1]))

    def test_known_words_are_said_as_they_are(self, phonemes: Dataset) -> None:
        known = {"keras": None, "python": ["P", "AY", "TH", "AA", "N"], "flower": ["F", "L", "AW", "ER"]}
        said = {}
        for split in phonemes.splits.values():
            for letters, labels in zip(split.named_inputs()["inputs"], split.named_labels()[""], strict=True):
                word = "".join(LETTERS[number - 1] for number in letters if number)
                if word in known:
                    said[word] = pronounce(labels)
        assert said == {"python": known["python"], "flower": known["flower"]}
