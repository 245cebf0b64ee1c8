"""The reference of the Python language, character by character: what Python's own `help()` reads, with fixed splits."""

import platform
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info

STEPS = 256
STRIDE = 64
"""From a window to the next; of a held-out window so many characters are told, with all the others before them to go by."""
SHARES = {"train": 0.8, "validation": 0.05, "calibration": 0.05, "test": 0.1}
"""Of the text, in its order: the last tenth is the test split."""
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
CHARACTERS = (
    "\n" + "".join(map(chr, range(32, 127))) + "\u201c\u201d\u2018\u2019\u2013\u2014\u2026\u00b0\u00df" + UNKNOWN
)
"""The character of each id, from 1 on: 0 is padding. Others of the text, if there are any, count as the last."""

_DESCRIPTION = f"""\
The reference of the Python language, as `help()` shows it (`pydoc_data.topics` of the running Python, so the text is
a little another with each version: 3.11.7 has 465,048 characters). A row is {STEPS} characters and, as its labels,
the same moved by one: what comes next. Splits are parts of the text in its order, the last tenth is for the test.
Windows to learn from start every {STRIDE} characters, so that each character is seen {STEPS // STRIDE} times. Of
held-out windows only the last {STRIDE} labels have weight 1, the others 0: every held-out character counts once, with
at least {STEPS - STRIDE} characters before it to go by, though they be of the split before.
"""


class PydocText(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `pydoc_text`: (inputs, labels int32 (256,), weights float32 (256,)). Needs no network."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way
    BUILDER_CONFIGS = [  # noqa: RUF012 - so that one Python never reads what another one prepared
        tfds.core.BuilderConfig(
            name=f"python{platform.python_version()}", description="The text of the running Python.", version=VERSION
        )
    ]

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "inputs": tfds.features.Tensor(shape=(STEPS,), dtype=np.int32),
                "labels": tfds.features.Tensor(shape=(STEPS,), dtype=np.int32),
                "weights": tfds.features.Tensor(shape=(STEPS,), dtype=np.float32),
            },
            supervised_keys=("inputs", "labels", "weights"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # nothing to download
        ids = encode(read_text())
        return {
            name: self._generate_examples(ids, (learning_blocks if name == "train" else held_out_blocks)(*ends))
            for name, ends in split_text(len(ids)).items()
        }

    def _generate_examples(
        self, ids: np.ndarray, blocks: Iterable[tuple[int, int]]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for first, end_of_window in blocks:
            labelled = slice(end_of_window - STEPS, end_of_window)
            yield (
                first,
                {
                    "inputs": ids[labelled.start - 1 : labelled.stop - 1],
                    "labels": ids[labelled],
                    "weights": (np.arange(labelled.start, labelled.stop) >= first).astype(np.float32),
                },
            )


def learning_blocks(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give the first character that counts in a window, and its end: whole windows that overlap."""
    start = max(start, 1)  # nothing comes before the first character of all
    return ((first, first + STEPS) for first in range(start, end - STEPS + 1, STRIDE))


def held_out_blocks(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give the first character that counts in a window, and its end: each character counts in one window."""
    return ((first, min(first + STRIDE, end)) for first in range(start, end, STRIDE))


def read_text() -> str:
    """Return the text: every topic of the reference, in the order of their names."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def split_text(characters: int) -> dict[str, tuple[int, int]]:
    """Return where each split starts and ends."""
    ends = [0, *(round(share * characters) for share in np.cumsum(list(SHARES.values())).tolist())]
    return {name: (ends[number], ends[number + 1]) for number, name in enumerate(SHARES)}


def encode(text: str) -> np.ndarray:
    """Return the id of each character, int32."""
    ids = {character: number for number, character in enumerate(CHARACTERS, 1)}
    return np.array([ids.get(character, ids[UNKNOWN]) for character in text], np.int32)


def decode(ids: Any) -> str:
    """Return the text of ids; padding is left out."""
    return "".join(CHARACTERS[number - 1] for number in np.asarray(ids).tolist() if number)
