"""`zoo verify` runs the variants, and names the one that no longer answers as it did."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.artifact import PASSPORT


@pytest.fixture(scope="module")
def exported(model: keras.Model, examples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zoo.export(model, tmp_path_factory.mktemp("repository") / "iris", examples=examples)


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "iris" / "1"))


def edit(version: Path, content: bytes, **fields: Any) -> None:
    """Put another model.tflite there, and have the passport's hashes go with it, as docs/artifact.md has them."""
    (version / "model.tflite").write_bytes(content)
    document = json.loads((version / PASSPORT).read_text())
    document["files"]["model.tflite"] = hashlib.sha256(content).hexdigest()
    document["variants"]["litert"].update(fields)
    core = {key: value for key, value in document.items() if key not in {"hash", "measured"}}
    canonical = json.dumps(core, sort_keys=True, separators=(",", ":"))
    document["hash"] = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    (version / PASSPORT).write_text(json.dumps(document))


def other_weights(content: bytes, model: keras.Model) -> bytes:
    kernel = np.ascontiguousarray(model.get_weights()[0].T).tobytes()  # LiteRT keeps it transposed
    assert content.count(kernel) == 1
    return content.replace(kernel, bytes(len(kernel)))


def faults_of(version: Path) -> dict[str, tuple[str, ...]]:
    return {check.name: check.faults for check in zoo.verify(version).checks if check.faults}


def test_an_edited_file_is_named(copied: Path) -> None:
    (copied / "model.tflite").write_bytes(b"another model")
    assert faults_of(copied) == {"files": ("model.tflite was changed since export",)}


def test_a_variant_with_other_weights_is_named_though_the_hashes_are_right(copied: Path, model: keras.Model) -> None:
    edit(copied, other_weights((copied / "model.tflite").read_bytes(), model))

    [(check, faults)] = faults_of(copied).items()
    assert check == "litert (model.tflite)"
    assert any(fault.startswith("model.tflite: probabilities: ") for fault in faults)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"signature": "regress"}, "there are no golden answers of 'regress', the signature that model.tflite has"),
        ({"kind": "coreml"}, "model.tflite cannot be run: this version of keras-zoo cannot run .* the kind 'coreml'"),
        ({"file": "../1/model.tflite"}, "'../1/model.tflite' is no file of this version"),
    ],
)
def test_a_variant_that_cannot_be_run_is_a_fault(copied: Path, fields: dict[str, Any], fault: str) -> None:
    edit(copied, (copied / "model.tflite").read_bytes(), **fields)

    [(_, faults)] = faults_of(copied).items()
    assert re.fullmatch(fault, faults[0])


def test_a_file_that_is_no_model_is_a_fault(copied: Path) -> None:
    edit(copied, b"no model")

    assert re.match("model.tflite cannot be run: ", faults_of(copied)["litert (model.tflite)"][0])
