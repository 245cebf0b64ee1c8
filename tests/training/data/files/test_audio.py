from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from training.config import AudioConfig
from training.data import Split
from training.data.files.audio import read_audio
from zoo.errors import ConfigError, UnknownNameError


def tone(path: Path, *, rate: int = 8000, seconds: float = 0.5, hertz: float = 440.0, amplitude: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate), rate)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    for name in ("no/a.wav", "yes/b.wav", "yes/c.wav"):
        tone(tmp_path / name)
    return tmp_path


def read(path: Path, **fields: Any) -> Split:
    config = AudioConfig.parse({"kind": "audio", "files": str(path), **fields})
    return read_audio(config, str(path), None).split


def refused(path: Path, **fields: Any) -> str:
    with pytest.raises((ConfigError, UnknownNameError)) as caught:
        read(path, **fields)
    return str(caught.value)


def test_a_folder_for_each_class(words: Path) -> None:
    split = read(words)

    sounds = split.named_inputs()["inputs"]
    assert split.named_labels()[""].tolist() == [0, 1, 1]
    assert sounds.shape == (3, 4000)
    assert sounds.dtype == np.float32
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    np.testing.assert_allclose(sounds[0], expected, atol=1 / 2**15)  # 16 bits


def test_another_rate_is_refused_or_changed_and_the_tone_stays(words: Path) -> None:
    tone(words / "yes/d.wav", rate=22050)

    assert f"{words}/yes/d.wav has 22050 samples per second, but {words}/no/a.wav has 8000" in refused(words)
    sounds = read(words, sampling_rate=8000).named_inputs()["inputs"]
    assert sounds.shape == (4, 4000)
    spectrum = np.abs(np.fft.rfft(sounds[3] * np.hanning(4000)))
    assert spectrum.argmax() == 220  # 440 Hz in bins of 2 Hz
    assert np.abs(sounds[3][500:3500]).max() == pytest.approx(0.5, rel=0.01)


def test_what_a_lower_rate_cannot_hold_is_left_out_not_folded_back(tmp_path: Path) -> None:
    tone(tmp_path / "a/x.wav", rate=16000, hertz=6000)  # above 4000 Hz, half of the new rate
    tone(tmp_path / "b/x.wav", rate=16000, hertz=1000)

    high, low = read(tmp_path, sampling_rate=8000).named_inputs()["inputs"][:, 500:-500]
    assert np.abs(high).max() < 0.01
    assert np.abs(low).max() == pytest.approx(0.5, rel=0.02)


def test_another_length_is_refused_or_cut_and_filled_up(words: Path) -> None:
    tone(words / "yes/d.wav", seconds=0.25)

    assert "d.wav is 2000 samples long, but" in refused(words)
    assert "set data.seconds to cut or fill up all" in refused(words)
    sounds = read(words, seconds=0.375).named_inputs()["inputs"]
    assert sounds.shape == (4, 3000)
    assert not sounds[3, 2000:].any()
    assert sounds[0, 2000:].any()


def test_channels_are_mixed(tmp_path: Path) -> None:
    for name, channels in {"a": [0.5, -0.25], "b": [0.5, 0.5]}.items():
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "x.flac", np.tile(channels, (10, 1)), 8000)

    np.testing.assert_allclose(read(tmp_path).named_inputs()["inputs"][:, 0], [0.125, 0.5], atol=1e-4)


@pytest.mark.parametrize("kept", [0, 20, 1000])
def test_a_cut_off_sound_is_named(words: Path, kept: int) -> None:
    path = words / "yes/b.wav"
    path.write_bytes(path.read_bytes()[:kept])

    assert str(path) in refused(words, seconds=0.5)


def test_what_is_no_sound_is_named(words: Path) -> None:
    (words / "yes/b.wav").write_text("no sound")

    assert "yes/b.wav is no sound that can be read" in refused(words, sampling_rate=8000)
