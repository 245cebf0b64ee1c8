"""An artifact as the first version of this project wrote it: it is checked, described and served for ever."""

import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine

import serving
import zoo
from zoo.artifact import PASSPORT, read_passport

REPOSITORY = Path(__file__).parents[1] / "testdata" / "format_1"


def test_an_artifact_of_the_first_format_is_checked_and_served() -> None:
    passport = read_passport(REPOSITORY / "wine" / "1")
    assert (passport.format, passport.hash, passport.model) == (1, None, None)
    assert zoo.verify(REPOSITORY / "wine").ok
    rows, labels = load_wine(return_X_y=True)
    with serving.Server(REPOSITORY, port=0) as server, serving.Client(f"localhost:{server.port}") as client:
        answers = client.predict("wine", {"inputs": rows.astype(np.float32)}, timeout=60)
        told = client.passport("wine", timeout=60)
    assert told == json.loads((REPOSITORY / "wine" / "1" / PASSPORT).read_text())
    accuracy = float((answers["class_id"] == labels).mean())
    assert abs(accuracy - passport.metrics["train"]["accuracy"]) < 1e-9
