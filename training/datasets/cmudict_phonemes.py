"""English words, from their spelling to their sounds: the CMU Pronouncing Dictionary, with fixed splits."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.splitting import split_groups
from training.sources import data_files, find_collection

COLLECTION = find_collection("cmudict_phonemes")
SPLIT_SEED = 1993
SHARES = {"train": 0.88, "validation": 0.03, "calibration": 0.02, "test": 0.07}
LETTERS = "abcdefghijklmnopqrstuvwxyz'"
"""The letter of each id of `inputs`, from 1 on: 0 is padding."""
START, END = "<start>", "<end>"
_ARPABET = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
PHONEMES = (START, END, *_ARPABET.split())
"""The phoneme (ARPAbet) of each id of `decoder_inputs` and labels, from 1 on: 0 is padding."""
MAX_LETTERS = 16
MAX_PHONEMES = 16

_DESCRIPTION = f"""\
English words and names, and how they are said in North America: the first pronunciation that the CMU Pronouncing
Dictionary has of each, without the stress. Left out are entries with other characters than letters and apostrophes,
and those of more than {MAX_LETTERS} letters or phonemes. `inputs` are the letters; labels are the phonemes and an
end; `decoder_inputs` are a start and the phonemes, one step behind the labels. Words that differ only in an S or
apostrophe at the end lie in one split (BOX'S, but not BOXES, lies with BOX); otherwise splits are random and fixed.
"""


class CmudictPhonemes(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `cmudict_phonemes`: ({inputs int32 (16,), decoder_inputs int32 (17,)}, labels int32 (17,))."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "word": tfds.features.Text(),
                "inputs": tfds.features.Tensor(shape=(MAX_LETTERS,), dtype=np.int32),
                "decoder_inputs": tfds.features.Tensor(shape=(MAX_PHONEMES + 1,), dtype=np.int32),
                "labels": tfds.features.Tensor(shape=(MAX_PHONEMES + 1,), dtype=np.int32),
            },
            supervised_keys=({"inputs": "inputs", "decoder_inputs": "decoder_inputs"}, "labels"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # fetched by ours
        (path,) = data_files(COLLECTION).values()
        words = read_words(path)
        splits = split_words(list(words))
        return {name: self._generate_examples(words, part) for name, part in splits.items()}

    def _generate_examples(
        self, words: Mapping[str, Sequence[str]], part: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for word in part:
            phonemes = [PHONEMES.index(phoneme) + 1 for phoneme in words[word]]
            start, end = PHONEMES.index(START) + 1, PHONEMES.index(END) + 1
            yield (
                word,
                {
                    "word": word,
                    "inputs": spell(word),
                    "decoder_inputs": _padded([start, *phonemes], MAX_PHONEMES + 1),
                    "labels": _padded([*phonemes, end], MAX_PHONEMES + 1),
                },
            )


def read_words(path: Path) -> dict[str, list[str]]:
    """Return the phonemes of every word, in small letters, that is kept."""
    words = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        word, _, sounds = line.partition("  ")
        phonemes = [phoneme.rstrip("012") for phoneme in sounds.split()]
        if re.fullmatch("[A-Z][A-Z']*", word) and len(word) <= MAX_LETTERS and len(phonemes) <= MAX_PHONEMES:
            words[word.lower()] = phonemes
    return words


def split_words(words: Sequence[str]) -> dict[str, list[str]]:
    """Return the words of each split; those with the same stem lie in one."""
    stems = {stem: number for number, stem in enumerate(sorted({stem_of(word) for word in words}))}
    rows = split_groups([stems[stem_of(word)] for word in words], SHARES, seed=SPLIT_SEED)
    return {name: [words[row] for row in part.tolist()] for name, part in rows.items()}


def stem_of(word: str) -> str:
    """Return a word without apostrophes, and without S at its end."""
    return word.replace("'", "").rstrip("s")


def spell(word: str) -> np.ndarray:
    """Return the ids of a word's letters, int32 (16,). Raises ValueError where it has others, or too many."""
    ids = [LETTERS.index(letter) + 1 for letter in word.lower()]
    return _padded(ids, MAX_LETTERS)


def pronounce(ids: Any) -> list[str]:
    """Return the phonemes of ids, up to the first end or padding."""
    phonemes = []
    for number in np.asarray(ids).tolist():
        if number == 0 or PHONEMES[number - 1] == END:
            break
        phonemes.append(PHONEMES[number - 1])
    return phonemes


def _padded(ids: list[int], length: int) -> np.ndarray:
    return np.array([*ids, *[0] * (length - len(ids))], np.int32)
