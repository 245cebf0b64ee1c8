"""What a telephone exchange says, in five languages, as raw sound; which language is it?"""

import io
import tarfile
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.splitting import split_groups
from training.sources import data_files, find_collection

COLLECTION = find_collection("spoken_prompts")
SPLIT_SEED = 1999
SHARES = {"train": 0.65, "validation": 0.1, "calibration": 0.05, "test": 0.2}
RATE = 8000
"""Samples a second."""
SAMPLES = 2 * RATE
"""Of a row: what is longer is cut, what is shorter ends in silence."""
LANGUAGES = ("en", "es", "fr", "it", "ru")
TONES = frozenset({"ascending-2tone", "beep", "beeperr", "descending-2tone"})
"""Prompts in which nobody speaks; those of the folder `silence` are left out as well."""

_DESCRIPTION = """\
The prompts of the telephone exchange Asterisk in English, Spanish, French, Italian and Russian, 8 kHz: the first two
seconds of each, or the whole with silence after it, as samples from -1 to 1. Left out are tones, silences and an
empty file. The prompts of one name, the same thing said in several languages, lie in one split; otherwise splits are
random and fixed. One person speaks each language, and one person two of them: a model can tell voices and studios
apart, and a good figure does not show that it knows languages.
"""


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt in one language."""

    name: str
    """Such as `digits/1`; the same in all languages."""
    language: str
    samples: np.ndarray
    """(samples,), int16."""


class SpokenPrompts(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `spoken_prompts`: (audio float32 (16000,), label, a language)."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "audio": tfds.features.Tensor(shape=(SAMPLES,), dtype=np.float32),
                "label": tfds.features.ClassLabel(names=list(LANGUAGES)),
                "prompt": tfds.features.Text(doc="its name, the same in all languages"),
            },
            supervised_keys=("audio", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # fetched by ours
        prompts = read_prompts(data_files(COLLECTION))
        names = {name: number for number, name in enumerate(sorted({prompt.name for prompt in prompts}))}
        splits = split_groups([names[prompt.name] for prompt in prompts], SHARES, seed=SPLIT_SEED)
        return {name: self._generate_examples(prompts, rows) for name, rows in splits.items()}

    def _generate_examples(self, prompts: Sequence[Prompt], rows: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
        for row in rows.tolist():
            prompt = prompts[row]
            audio = np.zeros(SAMPLES, np.float32)
            heard = prompt.samples[:SAMPLES]
            audio[: len(heard)] = heard / 2**15
            key = f"{prompt.language}/{prompt.name}"
            yield key, {"audio": audio, "label": prompt.language, "prompt": prompt.name}


def read_prompts(files: Mapping[str, Path]) -> list[Prompt]:
    """Return every spoken prompt, by language and then by name."""
    prompts = []
    for language in LANGUAGES:
        with tarfile.open(files[f"{language}.tar"]) as archive:
            for entry in archive:
                name = entry.name.split("/", 5)[5].removesuffix(".wav")  # after usr/share/asterisk/sounds/<voice>
                content = archive.extractfile(entry)
                if content is None or name in TONES or name.startswith("silence/"):
                    continue
                samples = _read_samples(content.read())
                if len(samples):
                    prompts.append(Prompt(name, language, samples))
    return prompts


def _read_samples(data: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(data)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
