"""Signatures that disagree are found, each by what it should have said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from zoo.artifact import read_passport
from zoo.signatures.parity import Parity

X = np.random.default_rng(3).normal(size=(3, 4)).astype("float32")


def faults(version: Path, wrong: dict[str, Callable[[Any], dict[str, tf.Tensor]]]) -> list[str]:
    signatures = tf.saved_model.load(str(version)).signatures
    changed = {
        name: lambda f=edit, of=name, **inputs: f(dict(signatures[of](**inputs))) for name, edit in wrong.items()
    }
    return list(Parity({**signatures, **changed}, read_passport(version), {"inputs": X}).faults())


def test_signatures_of_one_model_agree(artifact: Path) -> None:
    assert faults(artifact, {}) == []


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (
            "predict",
            lambda a: {**a, "class_id": a["class_id"] + 1},
            "predict is not what serving_default says: class_id",
        ),
        ("predict", lambda a: {**a, "top_k_ids": a["top_k_ids"][:, ::-1]}, "predict, its top_k_ids"),
        ("predict", lambda a: {**a, "top_k_labels": a["top_k_labels"][:, ::-1]}, "top_k_labels"),
        ("logits", lambda a: {"logits": a["logits"] * 2}, "logits are not those of probabilities"),
        ("classify", lambda a: {**a, "scores": a["scores"] + 0.1}, "classify is not what serving_default says: scores"),
        ("classify", lambda a: {**a, "classes": a["classes"][:, ::-1]}, "classes"),
    ],
)
def test_one_that_disagrees_is_named(artifact: Path, name: str, edit: Any, message: str) -> None:
    found = faults(artifact, {name: edit})
    assert found
    assert message in found[0]
