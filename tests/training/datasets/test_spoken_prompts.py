import io
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest

from training.config import DataConfig
from training.data import Dataset, load_data
from training.datasets.spoken_prompts import LANGUAGES, SAMPLES, read_prompts
from training.sources import CATALOGUE


def wav(samples: list[int]) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(np.array(samples, "<i2").tobytes())
    return target.getvalue()


def test_tones_silences_and_empty_prompts_are_left_out(tmp_path: Path) -> None:
    prompts = {"digits/1": [1, -2], "beep": [5], "silence/1": [0], "is": []}
    for language in LANGUAGES:
        with tarfile.open(tmp_path / f"{language}.tar", "w") as archive:
            for name, samples in prompts.items():
                entry = tarfile.TarInfo(f"usr/share/asterisk/sounds/{language}_voice/{name}.wav")
                entry.size = len(wav(samples))
                archive.addfile(entry, io.BytesIO(wav(samples)))
    read = read_prompts({f"{language}.tar": tmp_path / f"{language}.tar" for language in LANGUAGES})
    assert [(prompt.language, prompt.name, prompt.samples.tolist()) for prompt in read] == [
        (language, "digits/1", [1, -2]) for language in LANGUAGES
    ]


@pytest.fixture(scope="module")
def prompts() -> Dataset:
    return load_data(DataConfig(name="spoken_prompts"))


@pytest.mark.data
@pytest.mark.slow
class TestWhole:
    def test_splits_have_their_sizes_and_each_language_a_fifth(self, prompts: Dataset) -> None:
        assert {name: len(rows) for name, rows in prompts.splits.items()} == CATALOGUE["spoken_prompts"].splits
        for split in prompts.splits.values():
            shares = np.bincount(split.named_labels()[""]) / len(split)
            np.testing.assert_allclose(shares, 0.2, atol=0.025)

    def test_sound_is_of_one_length_and_within_its_range(self, prompts: Dataset) -> None:
        for split in prompts.splits.values():
            sound = split.named_inputs()["inputs"]
            assert (sound.shape[1:], sound.dtype) == ((SAMPLES,), np.float32)
            assert np.abs(sound).max() <= 1
            assert np.abs(sound).max(axis=1).min() > 0

    def test_no_prompt_is_in_two_splits_in_whatever_language(self, prompts: Dataset) -> None:
        import tensorflow_datasets as tfds

        names = [
            {row["prompt"] for row in tfds.as_numpy(tfds.load("spoken_prompts", split=name))} for name in prompts.splits
        ]
        assert sum(map(len, names)) == len(set.union(*names))

    def test_what_is_known_of_the_data(self, prompts: Dataset) -> None:
        assert prompts.class_names == LANGUAGES
        assert "CC BY-SA 3.0" in prompts.licence
        assert "June Wallack" in prompts.licence
