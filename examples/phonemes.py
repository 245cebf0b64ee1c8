"""How many words of the test split a run of phonemes_seq2seq says right, letter by letter to phoneme by phoneme.

    zoo train phonemes_seq2seq
    python examples/phonemes.py                                  the newest run, all words of the test split
    python examples/phonemes.py --words keras tensor gradient    words of yours

A word is right where every phoneme is. The model writes by itself, the likeliest phoneme each time (`zoo.generation`);
it is not shown the phonemes before, as it is where `zoo train` measures accuracy by phoneme.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

import training
from training.data import load_data
from training.datasets.cmudict_phonemes import END, MAX_PHONEMES, PHONEMES, START, pronounce, spell
from zoo.generation import generate

BATCH = 256


def say(model: keras.Model, spelt: np.ndarray) -> list[list[str]]:
    """Return the phonemes of words, from the ids of their letters, (words, 16)."""
    said: list[list[str]] = []
    for first in range(0, len(spelt), BATCH):
        part = spelt[first : first + BATCH]
        missing = BATCH - len(part)  # every batch has one shape, so that nothing is compiled twice
        written = generate(
            model,
            np.concatenate([part, np.repeat(part[:1], missing, axis=0)]),
            max_new_tokens=MAX_PHONEMES,
            start_id=PHONEMES.index(START) + 1,
            stop_id=PHONEMES.index(END) + 1,
        )
        said += [pronounce(ids) for ids in written[: len(part)]]
    return said


def word_accuracy(said: Sequence[list[str]], labels: np.ndarray) -> float:
    """Return the share of words with every phoneme right."""
    return sum(one == pronounce(ids) for one, ids in zip(said, labels, strict=True)) / len(labels)


def main() -> None:
    """Measure a run, or say words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/phonemes_seq2seq"), help="folder of a run, or of runs")
    parser.add_argument("--split", default="test", help="what is measured (default: test)")
    parser.add_argument("--words", nargs="+", help="say these instead")
    choice = parser.parse_args()
    run = training.Run.load(choice.run)
    model = run.model()
    if choice.words:
        for word, phonemes in zip(
            choice.words, say(model, np.stack([spell(word) for word in choice.words])), strict=True
        ):
            print(f"{word:20} {' '.join(phonemes)}")
        return
    split = load_data(run.config.data).split(choice.split)
    accuracy = word_accuracy(say(model, split.named_inputs()["inputs"]), split.named_labels()[""])
    print(f"word accuracy {accuracy:.4f} over {len(split)} words of the {choice.split} split")


if __name__ == "__main__":
    main()
