import errno
import hashlib
import json
import logging
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.artifact import (
    PASSPORT,
    STAGING_PREFIX,
    hash_files,
    list_models,
    list_versions,
    read_passport,
    write_version,
)
from zoo.errors import ArtifactError


def test_a_missing_passport_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="has no passport"):
        read_passport(tmp_path)


def test_a_passport_that_is_not_text_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / PASSPORT).parent.mkdir()
    (tmp_path / PASSPORT).write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ArtifactError, match="is not text"):
        read_passport(tmp_path)


def test_hash_files_is_sha256_of_every_file_but_the_passport(tmp_path: Path) -> None:
    (tmp_path / PASSPORT).parent.mkdir()
    for name, content in {"one": b"1", "assets.extra/two": b"2", str(PASSPORT): b"{}"}.items():
        (tmp_path / name).write_bytes(content)

    assert hash_files(tmp_path) == {
        "one": hashlib.sha256(b"1").hexdigest(),
        "assets.extra/two": hashlib.sha256(b"2").hexdigest(),
    }


@pytest.mark.timeout(10)
@pytest.mark.parametrize("place", ["saved_model.pb", "variables/x"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / place)

    with pytest.raises(ArtifactError, match=f"{place} is not a regular file"):
        hash_files(tmp_path)


@pytest.mark.timeout(10)
def test_a_passport_that_is_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / PASSPORT).parent.mkdir()
    os.mkfifo(tmp_path / PASSPORT)

    with pytest.raises(ArtifactError, match="is not a regular file"):
        read_passport(tmp_path)


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "assets").symlink_to(tmp_path)

    with pytest.raises(ArtifactError, match="version/assets is not a regular file"):
        hash_files(tmp_path / "version")


def test_a_file_that_cannot_be_read_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").symlink_to("nowhere")

    with pytest.raises(ArtifactError, match="cannot read a file of"):
        hash_files(tmp_path)


# ---- versions


def test_versions_are_ordered_by_number(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        (tmp_path / name).mkdir()

    assert list(list_versions(tmp_path).items()) == [(n, tmp_path / str(n)) for n in (1, 9, 10)]


@pytest.mark.parametrize(
    "name",
    ["v1", "1.0", "-1", "+1", " 1", "1_0", "²", "١", "latest", STAGING_PREFIX + "1", "1" * 19, "1e3"],  # noqa: RUF001
)
def test_a_folder_whose_name_is_no_integer_is_no_version(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    assert list_versions(tmp_path) == {}


def test_a_file_is_no_version(tmp_path: Path) -> None:
    (tmp_path / "7").touch()

    assert list_versions(tmp_path) == {}


def test_a_model_that_is_not_there_has_no_versions(tmp_path: Path) -> None:
    assert list_versions(tmp_path / "nothing") == {}


def test_models_are_the_folders_with_a_version(tmp_path: Path) -> None:
    for name in ("b/1", "a/3", ".hidden/1", "empty", "unnumbered/latest"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()

    assert list_models(tmp_path) == {"a": tmp_path / "a", "b": tmp_path / "b"}


def test_a_repository_that_is_not_there_has_no_models(tmp_path: Path) -> None:
    assert list_models(tmp_path / "nothing") == {}


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_model_that_cannot_be_read_hides_no_other_and_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "good" / "1").mkdir(parents=True)
    (tmp_path / "loop").symlink_to("loop")

    for _ in range(3):
        assert list_models(tmp_path) == {"good": tmp_path / "good"}

    [warning] = warnings_of(caplog)
    assert warning.startswith(f"{tmp_path / 'loop'} counts as absent: it cannot be read: Too many levels")


@pytest.mark.parametrize("name", [b"two\nlines", b"\x1b[31mred", "c1\x9bm".encode(), b"no utf-8 \xff"])
def test_a_folder_whose_name_no_message_can_hold_is_no_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: bytes
) -> None:
    for folder in (os.fsencode(tmp_path / "good"), os.path.join(os.fsencode(tmp_path), name)):  # noqa: PTH118 - of bytes
        os.makedirs(os.path.join(folder, b"1"))  # noqa: PTH103, PTH118

    assert list_models(tmp_path) == {"good": tmp_path / "good"}
    (warning,) = caplog.messages
    assert "counts as absent: the name of a model is text in UTF-8" in warning
    assert warning.isascii()
    assert warning.isprintable()


def test_a_version_that_cannot_be_read_hides_no_other_and_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").symlink_to("2")
    (tmp_path / "3").symlink_to("nowhere")

    for _ in range(3):
        assert list_versions(tmp_path) == {1: tmp_path / "1"}

    assert [warning.split()[0] for warning in warnings_of(caplog)] == [str(tmp_path / "2")], "a dangling link is absent"


def test_a_disk_error_under_one_version_hides_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    stat = Path.stat

    def broken(path: Path, **options: bool) -> os.stat_result:
        if path == tmp_path / "2":
            raise OSError(errno.EIO, "Input/output error")
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", broken)
    assert list_versions(tmp_path) == {1: tmp_path / "1"}
    assert "Input/output error" in warnings_of(caplog)[0]


def test_of_two_names_of_one_number_the_one_without_zeros_is_the_version(tmp_path: Path) -> None:
    for name in ("007", "7", "0007", "08"):
        (tmp_path / name).mkdir()

    assert list_versions(tmp_path) == {7: tmp_path / "7", 8: tmp_path / "08"}


# ---- write_version


def test_the_contract_is_standard_library_only(run_python: Callable[..., Any]) -> None:
    run = run_python(
        textwrap.dedent("""
            import sys, types
            package = types.ModuleType("zoo")
            package.__path__ = [sys.argv[1]]
            sys.modules["zoo"] = package
            import zoo.artifact
            print(sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
        """),
        str(Path(write_version.__code__.co_filename).parent),
    )

    modules = set(json.loads(run.stdout.replace("'", '"')))
    assert not modules & {"numpy", "keras", "tensorflow", "pydantic", "yaml"}
