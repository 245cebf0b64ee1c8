import subprocess
from pathlib import Path

import pytest

from training import Dataset
from training.facts import environment, read_facts, write_facts


def test_what_is_written_is_read_back(blobs: Dataset, tmp_path: Path) -> None:
    write_facts(tmp_path, blobs)
    facts = read_facts(tmp_path)
    assert facts["data"]["fingerprint"] == blobs.fingerprint
    assert facts["data"]["splits"] == {"train": 60, "validation": 21, "test": 33}
    assert facts["environment"]["tensorflow"].startswith("2.")


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_facts_that_cannot_be_read_are_none(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "facts.json").write_text(text)
    assert read_facts(tmp_path) == {}


def test_the_commit_is_that_of_the_folder_one_works_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "commit" not in environment()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "recipe.yaml").write_text("a")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True, cwd=tmp_path)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True, cwd=tmp_path).strip()
    assert environment()["commit"] == commit
    (tmp_path / "recipe.yaml").write_text("b")
    assert environment()["commit"] == f"{commit}, with changes"
