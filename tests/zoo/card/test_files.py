import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.artifact import read_passport
from zoo.card import CARD, PICTURE, card_of
from zoo.card.picture import MOST_BYTES, draw
from zoo.cli import main
from zoo.passport import Reliability, Uncertainty


def test_an_artifact_has_its_card_and_picture_hashed(artifact: Path) -> None:
    passport = read_passport(artifact)
    assert {CARD.as_posix(), PICTURE.as_posix()} <= passport.files.keys()
    assert (artifact / CARD).read_text() == card_of(passport, picture="model_card.png")
    assert zoo.verify(artifact).ok


def test_a_picture_is_small_however_much_was_measured(artifact: Path) -> None:
    metrics = {f"metric_{i}_$": 0.5 + i for i in range(20)}
    intervals = {name: (value - 0.1, value + 0.2) for name, value in metrics.items()}
    found = Uncertainty(
        "split", 0.9, 40, (1.0,), coverage=0.9, coverage_interval=(0.8, 0.95), held_out_rows=9, size=2.0
    )
    bins = Reliability((0.4, 0.6, 0.9), (0.3, 0.7, 1.0), (3, 10, 200))
    passport = replace(
        read_passport(artifact),
        metrics={"validation": metrics, "test": metrics},
        intervals={"validation": intervals, "test": intervals},
        uncertainty={"value": found, "probabilities": replace(found, reliability=bins)},
    )
    picture = draw(passport)
    assert picture is not None
    assert len(picture) <= MOST_BYTES
    assert np.asarray(Image.open(io.BytesIO(picture))).std() > 5, "something is drawn"
    assert draw(replace(passport, metrics={}, uncertainty={})) is None


def test_the_command_prints_it_or_writes_it(artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", str(artifact.parent)]) == 0
    assert capsys.readouterr().out == card_of(read_passport(artifact))
    assert main(["card", str(artifact), "--to", str(tmp_path / "card.md")]) == 0
    assert "](card.png)" in (tmp_path / "card.md").read_text()
    assert (tmp_path / "card.png").read_bytes() == (artifact / PICTURE).read_bytes()
    assert main(["card", str(tmp_path / "none")]) == 2
    assert "there is nothing at" in capsys.readouterr().err
