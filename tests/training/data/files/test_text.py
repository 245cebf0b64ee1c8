from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.config import CharactersConfig, TextConfig
from training.data import Split
from training.data.files.text import read_characters, read_text
from zoo.errors import ConfigError


def texts(path: Path, **fields: Any) -> Split:
    return read_text(TextConfig.parse({"kind": "text", "files": str(path), **fields}), str(path), None).split


def characters(path: Path, **fields: Any) -> Split:
    config = CharactersConfig.parse({"kind": "characters", "files": str(path), **fields})
    return read_characters(config, str(path)).split


def test_a_folder_of_texts_for_each_class(tmp_path: Path) -> None:
    for name, text in {"bad/1.txt": "dull", "good/1.txt": "Schön!", "good/2.txt": "fine"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    split = texts(tmp_path)

    assert split.named_inputs()["inputs"].tolist() == ["dull", "Schön!", "fine"]
    assert split.named_labels()[""].tolist() == [0, 1, 1]
    (tmp_path / "bad/2.txt").write_text(" \n")
    with pytest.raises(ConfigError, match=r"bad/2\.txt holds no text"):
        texts(tmp_path)


def test_a_class_and_a_text_on_each_line(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("\ufeffgood\tvery\tfine\nbad\tdull\n\n", encoding="utf-8")

    split = texts(path)

    assert split.named_inputs()["inputs"].tolist() == ["very\tfine", "dull"]
    assert split.named_labels()[""].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"good\tfine\nno class here\n", "line 2: expected a class, '\\\\t' and a text, got 'no class here'"),
        (b"good\tfine\n\tnone\n", "line 2: expected a class"),
        (b"good\tfine\nbad\tcaf\xe9\n", "line 2: byte 0xe9 at position 17 is not UTF-8"),
        (b"\n", "is empty: expected a class"),
        (b"good\tfine\ngood\tnice\n", "line 1: all rows are of the one class 'good'"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        texts(path)


def test_plain_text_becomes_pieces_and_what_follows(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("abcdefgh")

    split = characters(path, length=3)

    np.testing.assert_array_equal(split.inputs, np.array([[98, 99, 100], [101, 102, 103]]))  # a is byte 97, id 98
    np.testing.assert_array_equal(split.labels, np.array([[99, 100, 101], [102, 103, 104]]))
    overlapping = characters(path, length=3, step=2, inputs="text")
    assert overlapping.named_inputs()["inputs"].tolist() == [b"abc", b"cde", b"efg"]
    assert overlapping.named_labels()[""][-1].tolist() == [103, 104, 105]


def test_text_too_short_for_a_piece_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("abc")

    with pytest.raises(ConfigError, match=r"book.txt has 3 bytes: expected more than data.length, 3"):
        characters(path, length=3)
