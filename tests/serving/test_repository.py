from pathlib import Path

import pytest

from serving.repository import Repository, VersionPolicy
from serving.status import ServerError


def make(root: Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)


def test_models_and_integer_versions_are_found_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path, "a/1", "a/12", "a/.incoming-x", "a/latest", "b/3", "empty", ".hidden/1")
    (tmp_path / "a" / "7").write_text("a file is no version")
    found = {name: config.versions() for name, config in Repository(tmp_path).models().items()}
    assert found == {"a": {1: tmp_path / "a/1", 12: tmp_path / "a/12"}, "b": {3: tmp_path / "b/3"}}


def test_one_model_can_be_served_under_another_name(tmp_path: Path) -> None:
    make(tmp_path, "5")
    (config,) = Repository(tmp_path, "mine").models().values()
    assert (config.name, config.versions()) == ("mine", {5: tmp_path / "5"})


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="does not exist"):
        Repository(tmp_path / "none").check()


def test_a_models_own_folder_is_told_from_a_repository(tmp_path: Path) -> None:
    make(tmp_path, "mine/1")
    with pytest.raises(ServerError, match="--model_name mine --model_base_path"):
        Repository(tmp_path / "mine").check()
    Repository(tmp_path / "mine", "mine").check()
    Repository(tmp_path).check()


def test_a_version_in_place_of_a_model_or_of_a_repository_is_told_with_the_folder_to_give(tmp_path: Path) -> None:
    make(tmp_path, "mine/1")
    (tmp_path / "mine" / "1" / "saved_model.pb").touch()
    with pytest.raises(ServerError, match=f"Give the folder of models, {tmp_path}$"):
        Repository(tmp_path / "mine" / "1").check()
    with pytest.raises(ServerError, match=f"Give the model's folder, {tmp_path / 'mine'}$"):
        Repository(tmp_path / "mine" / "1", "mine").check()


@pytest.mark.parametrize(
    ("text", "limit", "order"),
    [
        ("latest", 1, [9, 3, 1]),
        ("latest:2", 2, [9, 3, 1]),
        ("all", None, [9, 3, 1]),
        ("1,9", None, [9, 1]),
        ("4", None, []),
    ],
)
def test_policies(text: str, limit: int | None, order: list[int]) -> None:
    policy = VersionPolicy.parse(text)
    assert policy.latest == limit
    assert policy.candidates([1, 9, 3]) == order
    assert policy.limit(len(order)) == (len(order) if limit is None else limit)


@pytest.mark.parametrize("text", ["", "newest", "latest:0", "latest:-1", "1;2", "1,"])
def test_an_unreadable_policy_is_refused(text: str) -> None:
    with pytest.raises(ServerError, match="expected 'latest'"):
        VersionPolicy.parse(text)
