"""Folders of sounds."""

import math
from pathlib import Path

import numpy as np

from training.config import AudioConfig
from training.data.files.folders import list_classes, read_all, stack
from training.data.files.rows import Rows
from training.data.split import Split
from zoo.errors import ConfigError

SUFFIXES = (".flac", ".mp3", ".oga", ".ogg", ".wav")


def read_audio(config: AudioConfig, path: str, known: tuple[str, ...] | None) -> Rows:
    """Read a folder with a folder of sounds for each class; float32 (rows, samples) in -1..1, channels mixed to one.

    Rates are changed by a polyphase filter (`scipy.signal.resample_poly`, which keeps out what a lower rate cannot hold).

    Raises:
        UnknownNameError: there is no such folder.
        ConfigError: a sound cannot be read, or is of another rate or length than the first.
    """
    files, numbers, names = list_classes(path, SUFFIXES, known)
    if config.sampling_rate is None:
        _check_rates(files)
    sounds = read_all(files, lambda file: _read(file, config))
    rows = stack(files, sounds, remedy="set data.seconds to cut or fill up all")
    return Rows(Split(rows, numbers), names)


def _check_rates(files: list[Path]) -> None:
    rates = [_rate(file) for file in files]
    for file, rate in zip(files, rates, strict=True):
        if rate != rates[0]:
            raise ConfigError(
                f"{file} has {rate} samples per second, but {files[0]} has {rates[0]}: set data.sampling_rate to bring all "
                "to one rate"
            )


def _rate(file: Path) -> int:
    import soundfile

    try:
        return int(soundfile.info(str(file)).samplerate)
    except soundfile.LibsndfileError as error:
        raise ConfigError(_damaged(file, error)) from None


def _read(file: Path, config: AudioConfig) -> np.ndarray:
    import soundfile

    try:
        samples, rate = soundfile.read(str(file), dtype="float32", always_2d=True)
        promised = soundfile.info(str(file)).frames
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise ConfigError(_damaged(file, error)) from None
    if not len(samples):
        raise ConfigError(f"{file} holds no sound: remove it, or put a whole one in its place")
    if len(samples) < promised or _is_cut_off(file):
        raise ConfigError(f"{file} is cut off: its header tells of more than there is; put a whole one in its place")
    sound = samples.mean(axis=1)
    if not np.isfinite(sound).all():
        raise ConfigError(f"{file} holds samples that are no numbers: put a whole one in its place")
    target = config.sampling_rate or rate
    if target != rate:
        from scipy.signal import resample_poly

        common = math.gcd(target, rate)
        sound = resample_poly(sound, target // common, rate // common).astype(np.float32)
    if config.seconds is not None:
        length = round(config.seconds * target)
        sound = np.pad(sound[:length], (0, max(0, length - len(sound))))
    return sound


def _is_cut_off(file: Path) -> bool:
    """Tell whether a RIFF file is shorter than its header says; libsndfile reads what is there without a word."""
    with file.open("rb") as opened:
        header = opened.read(8)
    stated = int.from_bytes(header[4:8], "little")
    return header[:4] == b"RIFF" and stated < 2**32 - 8 and stated + 8 > file.stat().st_size + 1  # 1: left-out padding


def _damaged(file: Path, error: Exception) -> str:
    what = "is empty" if not file.stat().st_size else f"is no sound that can be read ({error})"
    return f"{file} {what}: remove it, or put a whole one in its place"
