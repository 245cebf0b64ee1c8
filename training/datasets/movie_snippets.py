"""Sentences from reviews of films, for or against; those that are nearly the same lie in one split."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.duplicates import find_groups
from training.datasets.info import make_info
from training.datasets.splitting import split_groups
from training.sources import data_files, find_collection

COLLECTION = find_collection("movie_snippets")
SPLIT_SEED = 2014
SHARES = {"train": 0.7, "validation": 0.1, "calibration": 0.05, "test": 0.15}
CLEAR = 0.5
"""The mean rating, from -4 to 4, that a sentence is for or against from on; those between are left out."""
CLASSES = ("negative", "positive")

_DESCRIPTION = f"""\
Sentences from reviews of films, each rated by 15 to 29 people from -4 to 4, as they come with the source of the package
vaderSentiment. Kept are those with a mean of at least {CLEAR} on either side: positive (label 1) or negative (label
0). Sentences that are nearly the same, by shared words or a shared run of words, lie in one split; otherwise splits
are random and fixed. Which review a sentence is from is not known, so sentences of one review may lie in several
splits.
"""


class MovieSnippets(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `movie_snippets`: (text, label 0 or 1)."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "text": tfds.features.Text(),
                "label": tfds.features.ClassLabel(names=list(CLASSES)),
                "rating": tfds.features.Scalar(np.float32, doc="the mean of all raters, -4 to 4"),
                "group": tfds.features.Scalar(np.int32, doc="the same for sentences that are nearly the same"),
            },
            supervised_keys=("text", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # fetched by ours
        (path,) = data_files(COLLECTION).values()
        rated = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        clear = [(text.strip(), float(rating)) for _, rating, text in rated if abs(float(rating)) >= CLEAR]
        groups = find_groups([text for text, _ in clear])
        splits = split_groups(groups, SHARES, seed=SPLIT_SEED)
        return {name: self._generate_examples(clear, groups, rows) for name, rows in splits.items()}

    def _generate_examples(
        self, rated: Sequence[tuple[str, float]], groups: Sequence[int], rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows.tolist():
            text, rating = rated[row]
            yield row, {"text": text, "label": int(rating > 0), "rating": rating, "group": groups[row]}
