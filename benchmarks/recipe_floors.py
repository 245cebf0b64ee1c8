"""What cheap methods reach on the data of the recipes over sequences: the floors that their headers quote.

    python benchmarks/recipe_floors.py [sunspots elnino co2 movie_snippets pydoc_text cmudict_phonemes spoken_prompts]

Every floor learns from the training split, chooses what it has to choose on the validation split, and is measured on the
test split: the rows that the recipes have.
"""

import argparse
import gzip
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from training.config import DataConfig
from training.data import load_data
from zoo.config import Spec, SpectrogramConfig
from zoo.preprocessing import make_layer

Floor = tuple[str, float]
PERIODS = {"sunspots": 11, "elnino": 12, "co2": 52}
PENALTIES = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0)


def series_floors(name: str) -> list[Floor]:
    """Mean absolute errors: the last value, that of a season ago, and ridge regression on the whole window."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_data(DataConfig(name=name))

    def parts(split: str) -> tuple[np.ndarray, np.ndarray]:
        rows = data.split(split)
        return np.asarray(rows.inputs, np.float64)[..., 0], np.asarray(rows.labels, np.float64).ravel()

    def error(predict: Callable[[np.ndarray], np.ndarray], split: str) -> float:
        past, following = parts(split)
        return float(np.abs(predict(past) - following).mean())

    def ridge(alpha: float) -> Callable[[np.ndarray], np.ndarray]:
        predict: Callable[[np.ndarray], np.ndarray] = (
            make_pipeline(StandardScaler(), Ridge(alpha)).fit(*parts("train")).predict
        )
        return predict

    alpha = min(PENALTIES, key=lambda each: error(ridge(each), "validation"))
    period = PERIODS[name]
    return [
        ("MAE of the last value", error(lambda past: past[:, -1], "test")),
        ("MAE of no change (the mean of the labels learnt from)", error(lambda _: parts("train")[1].mean(), "test")),
        (f"MAE of seasonal-naive, {period} steps ago", error(lambda past: past[:, -period], "test")),
        (f"MAE of ridge autoregression, alpha {alpha:g}", error(ridge(alpha), "test")),
        (f"the same on the validation split, alpha {alpha:g}", error(ridge(alpha), "validation")),
    ]


def snippets_floors(name: str) -> list[Floor]:
    """Accuracies of logistic regression on TF-IDF of words and pairs of them."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    data = load_data(DataConfig(name=name))
    texts = {split: [str(text) for text in rows.inputs] for split, rows in data.splits.items()}
    labels = {split: np.asarray(rows.labels).ravel() for split, rows in data.splits.items()}
    fitted = [
        make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=c, max_iter=1000)
        ).fit(texts["train"], labels["train"])
        for c in (0.3, 1.0, 3.0, 10.0, 30.0)
    ]
    best = max(fitted, key=lambda model: model.score(texts["validation"], labels["validation"]))
    return [
        ("accuracy of TF-IDF + logistic regression", float(best.score(texts["test"], labels["test"]))),
        ("the same on the validation split", float(best.score(texts["validation"], labels["validation"]))),
    ]


def prompts_floors(name: str) -> list[Floor]:
    """Accuracy of logistic regression on the mean and deviation of each log-mel bin over time."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_data(DataConfig(name=name))
    step = SpectrogramConfig(
        kind="spectrogram", frame_length=256, frame_step=256, mel_bins=40, sampling_rate=8000, log=True
    )
    spectrogram = make_layer(step, Spec((16000,), "float32"), "spectrogram")

    def statistics(split: str) -> np.ndarray:
        pictures = np.concatenate(
            [np.asarray(spectrogram(part)) for part in np.array_split(data.split(split).inputs, 20)]
        )
        return np.concatenate([pictures.mean(axis=1), pictures.std(axis=1)], axis=1)

    labels = {split: np.asarray(rows.labels).ravel() for split, rows in data.splits.items()}
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(statistics("train"), labels["train"])
    return [
        ("accuracy of the commonest language", float((labels["test"] == np.bincount(labels["train"]).argmax()).mean())),
        (
            "accuracy of logistic regression on log-mel statistics",
            float(model.score(statistics("test"), labels["test"])),
        ),
    ]


def pydoc_floors(name: str) -> list[Floor]:
    """Bits per character of the test split: a 5-gram model (Witten and Bell, 1991), and what gzip -9 adds to a file."""
    from training.datasets.pydoc_text import encode, read_text, split_text

    del name  # there is one text
    text = read_text()
    ends = split_text(len(text))
    start, end = ends["test"]
    ids = encode(text).tolist()
    grown, before = len(gzip.compress(text[:end].encode(), 9)), len(gzip.compress(text[:start].encode(), 9))
    return [
        ("bits/character of a 5-gram, learnt from the training split", _five_gram(ids[: ends["train"][1]], ids, start)),
        ("bits/character of a 5-gram, learnt from all before the test split", _five_gram(ids[:start], ids, start)),
        ("bits/character of gzip -9, all before the test split given", 8 * (grown - before) / (end - start)),
    ]


def _five_gram(learnt: Sequence[int], ids: Sequence[int], start: int) -> float:
    counts: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for place in range(4, len(learnt)):
        for length in range(5):
            counts[tuple(learnt[place - length : place])][learnt[place]] += 1
    totals = {past: sum(following.values()) for past, following in counts.items()}
    bits = 0.0
    for place in range(start, len(ids)):
        chance = 1 / 106  # of any character, where nothing is known
        for length in range(5):
            past = tuple(ids[place - length : place])
            if past in totals:
                kinds = len(counts[past])
                chance = (counts[past][ids[place]] + kinds * chance) / (totals[past] + kinds)
        bits -= math.log2(chance)
    return bits / (len(ids) - start)


def phonemes_floors(name: str) -> list[Floor]:
    """Word accuracies of the commonest phoneme of each letter, alone or between its neighbours."""
    data = load_data(DataConfig(name=name))

    def words(split: str) -> list[tuple[list[int], list[int]]]:
        rows = data.split(split)
        spelt, said = rows.named_inputs()["inputs"].tolist(), np.asarray(rows.labels).tolist()
        pairs = [
            ([x for x in letters if x], [x for x in sounds if x]) for letters, sounds in zip(spelt, said, strict=True)
        ]
        return [(letters, sounds[:-1]) for letters, sounds in pairs]  # without the end

    train, test = words("train"), words("test")
    commonest = Counter(tuple(sounds) for _, sounds in train).most_common(1)[0][0]
    floors = [
        ("word accuracy of the commonest pronunciation", _share(tuple(sounds) == commonest for _, sounds in test))
    ]
    for reach, what in ((0, "each letter's commonest phoneme"), (2, "the same, two letters on either side known")):
        known: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for letters, sounds in train:
            if len(letters) == len(sounds):  # else it is not known which letter has which phoneme
                for around, sound in zip(_arounds(letters, reach), sounds, strict=True):
                    known[around][sound] += 1
                    known[around[reach : reach + 1]][sound] += 1

        def guess(
            letters: Sequence[int], reach: int = reach, known: dict[tuple[int, ...], Counter[int]] = known
        ) -> list[int]:
            found = ([a, a[reach : reach + 1]] for a in _arounds(letters, reach))
            return [next(known[key].most_common(1)[0][0] for key in keys if key in known) for keys in found]

        floors.append((f"word accuracy of {what}", _share(guess(letters) == sounds for letters, sounds in test)))
    return floors


def _arounds(letters: Sequence[int], reach: int) -> list[tuple[int, ...]]:
    padded = [0] * reach + list(letters) + [0] * reach
    return [tuple(padded[place : place + 2 * reach + 1]) for place in range(len(letters))]


def _share(hits: Iterable[bool]) -> float:
    return float(np.mean(list(hits)))


FLOORS: dict[str, Callable[[str], list[Floor]]] = {
    **dict.fromkeys(PERIODS, series_floors),
    "movie_snippets": snippets_floors,
    "pydoc_text": pydoc_floors,
    "cmudict_phonemes": phonemes_floors,
    "spoken_prompts": prompts_floors,
}


def main() -> None:
    """Print the floors of the data sets that were asked for, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(FLOORS)}; all of them where none is given")
    names = parser.parse_args().names or list(FLOORS)
    unknown = [name for name in names if name not in FLOORS]
    if unknown:
        parser.error(f"there are no floors for {', '.join(unknown)}; there are for {', '.join(FLOORS)}")
    for name in names:
        for what, value in FLOORS[name](name):
            print(f"{name:18} {value:8.4f}  {what}")


if __name__ == "__main__":
    main()
