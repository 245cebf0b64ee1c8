"""Two states of a folder's files are told apart by their names, sizes and times."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.version_record import fingerprint


@pytest.fixture
def version(tmp_path: Path) -> Path:
    path = tmp_path / "1"
    (path / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (path / name).write_bytes(name.encode())
        os.utime(path / name, (1e9, 1e9))
    return path


def test_a_folder_that_is_left_alone_is_the_same(version: Path) -> None:
    assert fingerprint(version) == fingerprint(version)


def newer(version: Path) -> None:
    os.utime(version / "variables" / "variables.index", (1e9, 1e9 + 1))


def longer(version: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"more than there was")
    os.utime(version / "saved_model.pb", (1e9, 1e9))


def more(version: Path) -> None:
    (version / "variables" / "another").touch()


def fewer(version: Path) -> None:
    (version / "variables" / "variables.index").unlink()


def renamed(version: Path) -> None:
    (version / "variables" / "variables.index").rename(version / "variables" / "variables.other")


def deeper(version: Path) -> None:
    (version / "assets.extra" / "empty").mkdir(parents=True)


@pytest.mark.parametrize("change", [newer, longer, more, fewer, renamed, deeper])
def test_a_folder_that_was_changed_is_another(version: Path, change: Callable[[Path], None]) -> None:
    before = fingerprint(version)
    change(version)
    assert fingerprint(version) != before


def test_what_cannot_be_read_is_nothing_known(version: Path) -> None:
    (version / "variables" / "dangling").symlink_to("nowhere")
    assert fingerprint(version) is None
    assert fingerprint(version / "not there") is None


def test_a_link_to_a_version_is_followed_and_a_loop_in_it_is_not(version: Path, tmp_path: Path) -> None:
    (version / "variables" / "up").symlink_to("..")
    (tmp_path / "2").symlink_to("1")
    files = fingerprint(tmp_path / "2")
    assert isinstance(files, list)
    assert [os.path.relpath(path, tmp_path / "2") for path, _, _ in files] == [
        "saved_model.pb",
        "variables",
        "variables/up",
        "variables/variables.index",
    ]
