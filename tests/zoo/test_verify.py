import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.artifact import PASSPORT
from zoo.errors import ArtifactError


def edit_passport(version: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit a passport and give it the hash that goes with what it then says, as docs/artifact.md has it."""
    document = json.loads((version / PASSPORT).read_text())
    edit(document)
    core = {key: value for key, value in document.items() if key not in {"hash", "measured"}}
    canonical = json.dumps(core, sort_keys=True, separators=(",", ":"))
    document["hash"] = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    (version / PASSPORT).write_text(json.dumps(document))


def faults_of(version: Path) -> dict[str, tuple[str, ...]]:
    return {check.name: check.faults for check in zoo.verify(version).checks if check.faults}


def test_a_good_artifact_passes_every_check(artifact: Path) -> None:
    report = zoo.verify(artifact)

    assert report.ok
    assert [check.name for check in report.checks[:2]] == ["files", "signatures"]
    answered = {check.name for check in report.checks[2:]}
    assert report.checks[-1].name == "signatures agree"
    assert {"golden answers (8 rows)", "golden answers of predict (2 rows)"} <= answered


def test_a_model_folder_stands_for_its_newest_version(artifact: Path) -> None:
    assert zoo.verify(artifact.parent).version == artifact


def test_a_flipped_byte_is_named(copied: Path) -> None:
    path = copied / "variables" / "variables.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    assert faults_of(copied) == {"files": ("variables/variables.data-00000-of-00001 was changed since export",)}


def test_a_removed_file_is_named(copied: Path) -> None:
    (copied / "variables" / "variables.index").unlink()

    assert faults_of(copied) == {"files": ("variables/variables.index is missing",)}


def test_a_folder_in_the_place_of_a_file_is_named(copied: Path) -> None:
    (copied / "fingerprint.pb").unlink()
    (copied / "fingerprint.pb").mkdir()

    assert faults_of(copied) == {"files": ("fingerprint.pb is a folder",)}


def test_an_extra_file_is_named(copied: Path) -> None:
    (copied / "assets.extra" / "payload").touch()

    assert faults_of(copied) == {"files": ("assets.extra/payload was not there at export",)}


def test_what_was_tampered_with_is_not_run(copied: Path) -> None:
    (copied / "saved_model.pb").write_bytes(b"not a graph")

    assert [check.name for check in zoo.verify(copied).checks] == ["files"]


def test_an_edited_golden_output_is_named(copied: Path) -> None:
    def edit(passport: dict[str, Any]) -> None:
        tensor = passport["golden"]["serving_default"]["outputs"]["probabilities"]
        numbers = np.frombuffer(base64.b64decode(tensor["base64"]), dtype="<f4").copy()
        numbers[0] += 0.5
        tensor["base64"] = base64.b64encode(numbers.tobytes()).decode()

    edit_passport(copied, edit)

    assert faults_of(copied) == {"golden answers (8 rows)": ("probabilities: 1 of 24 numbers differ, by up to 0.5",)}


def test_an_edited_golden_label_is_named(copied: Path) -> None:
    edit_passport(
        copied, lambda p: p["golden"]["serving_default"]["outputs"]["label"]["strings"].__setitem__(0, "tulip")
    )

    assert faults_of(copied) == {"golden answers (8 rows)": ("label: 12.5% of 8 classes differ",)}


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (
            lambda s: s["serving_default"]["inputs"]["inputs"].update(shape=[None, 5]),
            "serving_default: input 'inputs' is float32 (None, 4), the passport says float32 (None, 5)",
        ),
        (
            lambda s: s["serving_default"]["outputs"]["class_id"].update(dtype="int32"),
            "serving_default: output 'class_id' is int64 (None,), the passport says int32 (None,)",
        ),
        (
            lambda s: s["logits"]["outputs"].pop("logits"),
            "logits: output 'logits' is float32 (None, 3), the passport says missing",
        ),
        (lambda s: s.update(novel=s["logits"]), "novel is missing"),
    ],
)
def test_an_edited_schema_is_named(copied: Path, edit: Callable[[dict[str, Any]], object], fault: str) -> None:
    edit_passport(copied, lambda passport: edit(passport["signatures"]))

    assert faults_of(copied) == {"signatures": (fault,)}


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (
            lambda g: g["inputs"]["inputs"].update(shape=[4, 8]),
            "golden input 'inputs' is float32 (4, 8), the signature takes float32 (None, 4)",
        ),
        (
            lambda g: g["inputs"]["inputs"].update(shape=[2, 4, 4]),
            "golden input 'inputs' is float32 (2, 4, 4), the signature takes float32 (None, 4)",
        ),
        (
            lambda g: g["inputs"].update(other=g["inputs"].pop("inputs")),
            "the golden inputs are other, the signature takes inputs",
        ),
    ],
)
def test_golden_inputs_that_do_not_fit_are_named_and_not_run(
    copied: Path, edit: Callable[[dict[str, Any]], object], fault: str
) -> None:
    edit_passport(copied, lambda passport: edit(passport["golden"]["serving_default"]))

    assert [fault for faults in faults_of(copied).values() for fault in faults] == [fault]


@pytest.mark.parametrize("change", [{"base64": "????"}, {"dtype": "float33"}, {"shape": [1, 2, 3]}])
def test_golden_tensors_that_cannot_be_read_are_named(copied: Path, change: dict[str, Any]) -> None:
    edit_passport(
        copied, lambda passport: passport["golden"]["serving_default"]["outputs"]["probabilities"].update(change)
    )

    (fault,) = faults_of(copied)["golden answers"]
    assert fault.startswith("the golden tensors cannot be read: ")


def test_golden_answers_of_what_is_no_signature_are_named(copied: Path) -> None:
    edit_passport(copied, lambda passport: passport["golden"].update(regress=passport["golden"]["serving_default"]))

    faults = faults_of(copied)
    assert faults == {"golden answers of regress": ("the golden inputs are for 'regress', which is no signature",)}


def test_a_passport_without_golden_answers_proves_nothing(copied: Path) -> None:
    edit_passport(copied, lambda passport: passport["golden"].clear())

    assert faults_of(copied) == {"golden answers": ("there are no golden answers of 'serving_default'",)}


def test_what_a_signature_cannot_be_held_against_is_a_fault(copied: Path) -> None:
    edit_passport(copied, lambda passport: passport["class_names"].update(probabilities=["a", "b"]))

    (fault,) = faults_of(copied)["signatures agree"]
    assert fault


def test_an_edited_passport_is_refused(copied: Path) -> None:
    text = (copied / PASSPORT).read_text()
    (copied / PASSPORT).write_text(text.replace('"absolute": 1e-05', '"absolute": 1.0'))

    with pytest.raises(ArtifactError, match=rf"^{copied / PASSPORT}: the passport was edited"):
        zoo.verify(copied)


def test_a_wider_tolerance_in_the_passport_is_used(copied: Path) -> None:
    def edit(passport: dict[str, Any]) -> None:
        passport["golden"]["serving_default"]["outputs"]["label"]["strings"][0] = "tulip"
        passport["tolerance"]["label_flips"] = 0.125

    edit_passport(copied, edit)

    assert zoo.verify(copied).ok


def test_a_passport_that_is_not_json_is_an_artifact_error(copied: Path) -> None:
    (copied / PASSPORT).write_text("{")

    with pytest.raises(zoo.ArtifactError, match="this is not a passport"):
        zoo.verify(copied)


def test_a_saved_model_without_a_passport_is_an_artifact_error(copied: Path) -> None:
    (copied / PASSPORT).unlink()

    with pytest.raises(zoo.ArtifactError, match="has no passport"):
        zoo.verify(copied)


def test_a_folder_that_is_no_artifact_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(zoo.ArtifactError, match=r"is neither a version .* nor a model"):
        zoo.verify(tmp_path)


def test_a_path_to_nothing_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(zoo.ArtifactError, match="there is nothing at"):
        zoo.verify(tmp_path / "nothing")


def test_a_saved_model_that_tensorflow_cannot_load_is_an_artifact_error(copied: Path) -> None:
    import hashlib

    (copied / "saved_model.pb").write_bytes(b"not a graph")
    sha = hashlib.sha256(b"not a graph").hexdigest()
    edit_passport(copied, lambda passport: passport["files"].update({"saved_model.pb": sha}))

    with pytest.raises(zoo.ArtifactError, match="TensorFlow cannot load"):
        zoo.verify(copied)


@pytest.mark.timeout(60)
def test_a_fifo_in_the_place_of_a_file_is_a_fault(copied: Path) -> None:
    (copied / "saved_model.pb").unlink()
    os.mkfifo(copied / "saved_model.pb")

    assert faults_of(copied) == {
        "files": (f"{copied / 'saved_model.pb'} is not a regular file: an artifact holds folders and files only",)
    }


def test_a_path_that_cannot_be_read_is_an_artifact_error(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", broken)
    with pytest.raises(zoo.ArtifactError, match=r"cannot be read: .* Permission denied"):
        zoo.verify(copied)
