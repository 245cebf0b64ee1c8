"""Sounds."""

from training.sources.apt import AptSource
from training.sources.collection import Collection, DataFile

_FILES = {
    "en": DataFile("en.tar", "5a42a014e8a249b1ccd0d5eb508519540e0e62ed50ea9736009c194d08cf9257", 24_924_160),
    "es": DataFile("es.tar", "9fda661d82c18908679a88e0ca799b58e3f80bb4848295a6bdb8904147f09537", 30_167_040),
    "fr": DataFile("fr.tar", "e6686b6e2e5f92705be31af1658338c793f2b99c235b7f99130511abc47a3b93", 25_405_440),
    "it": DataFile("it.tar", "344c9c2f56543c27f5ffb55828de0fba4f844ca935f2d0067b7051756e3058b9", 23_357_440),
    "ru": DataFile("ru.tar", "aaffc2d7c7175c44588bc7d9987a9d48af1e98d6ed7306dbdc1d0b966d8ae154", 24_248_320),
}

_PROMPTS = Collection(
    name="spoken_prompts",
    title="2,760 prompts of a telephone exchange, 8 kHz: which of five languages",
    licence="CC BY-SA 3.0 (en, es, fr), CC BY 3.0 (it, ru)",
    attribution="asterisk-core-sounds: Allison Smith (en, es; Digium, Inc.), June Wallack (fr), Carlo Flora (it),"
    " Maxim Topal (ru)",
    homepage="https://packages.debian.org/source/stable/asterisk-core-sounds",
    splits={"train": 1_787, "validation": 280, "calibration": 140, "test": 553},
    files=tuple(_FILES.values()),
    sources=tuple(
        AptSource(f"asterisk-core-sounds-{language}-wav", {file.name: "usr/share/asterisk/sounds/*.wav"})
        for language, file in _FILES.items()
    ),
)

SOUNDS = (_PROMPTS,)
"""Data sets of sounds."""
