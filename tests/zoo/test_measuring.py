from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo.artifact import read_passport


def test_an_artifact_tells_how_long_answers_took_and_where(artifact: Path) -> None:
    measured = read_passport(artifact).measured
    assert measured is not None
    assert set(measured.latency) == {"1", "8", "32", "128"}
    for each in measured.latency.values():
        assert 0 < each.median <= each.high
        assert each.calls >= 3
    assert measured.signature == "serving_default"
    assert int(measured.machine["cores"]) >= 1


def test_the_hash_is_not_of_what_was_measured(artifact: Path) -> None:
    passport = read_passport(artifact)
    written = (zoo.Passport.from_json(each.to_json()) for each in (passport, replace(passport, measured=None)))
    assert len({each.hash for each in written}) == 1


def test_it_can_be_left_out(model: Any, examples: np.ndarray, tmp_path: Path) -> None:
    version = zoo.export(model, tmp_path / "iris", examples=examples, facts=zoo.ExportFacts(measure=False))
    assert read_passport(version).measured is None
