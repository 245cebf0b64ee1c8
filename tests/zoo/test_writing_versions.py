"""Versions appear whole or not at all, whoever writes beside and whenever a writer dies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.artifact import (
    GIVEN,
    STAGING_PREFIX,
    hash_files,
    list_versions,
    write_version,
)
from zoo.errors import ExportError


def write_token(folder: Path, content: str = "token") -> None:
    for name in ("a", "b"):
        (folder / name).write_text(content)


def is_complete(version: Path) -> bool:
    return (version / "a").read_text() == (version / "b").read_text() != ""


def test_the_first_version_is_1(tmp_path: Path) -> None:
    assert write_version(tmp_path / "new" / "model", write_token) == tmp_path / "new" / "model" / "1"


def test_a_version_holds_what_was_written(tmp_path: Path) -> None:
    version = write_version(tmp_path, write_token)

    assert {path.name: path.read_text() for path in version.iterdir()} == {"a": "token", "b": "token"}


def test_numbering_goes_on_after_the_highest(tmp_path: Path) -> None:
    for name in ("2", "40", "latest"):
        (tmp_path / name).mkdir()

    assert write_version(tmp_path, write_token).name == "41"


def test_a_file_with_a_number_for_a_name_counts_as_taken(tmp_path: Path) -> None:
    (tmp_path / "7").touch()

    assert write_version(tmp_path, write_token).name == "8"


def test_the_number_of_a_version_that_was_removed_is_not_given_again(tmp_path: Path) -> None:
    for _ in range(3):
        newest = write_version(tmp_path, write_token)
    shutil.rmtree(newest)

    assert write_version(tmp_path, write_token).name == "4"
    assert list_versions(tmp_path).keys() == {1, 2, 4}


@pytest.mark.parametrize("content", [b"", b"\xff", b"seven", b"-1"])
def test_a_damaged_note_of_the_newest_number_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / GIVEN).write_bytes(content)

    assert write_version(tmp_path, write_token).name == "1"
    assert (tmp_path / GIVEN).read_text() == "1\n"


def test_when_the_numbers_run_out_writing_fails(tmp_path: Path) -> None:
    (tmp_path / ("9" * 18)).mkdir()

    with pytest.raises(ExportError, match="no number left"):
        write_version(tmp_path, write_token)


def test_others_may_read_a_version(tmp_path: Path) -> None:
    assert write_version(tmp_path, write_token).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), ExportError("no")])
def test_an_exception_while_writing_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def write(folder: Path) -> None:
        write_token(folder)
        raise error

    with pytest.raises(type(error)):
        write_version(tmp_path, write)

    assert list(tmp_path.iterdir()) == []


def test_a_refusal_of_the_disk_is_an_export_error(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ExportError, match="No space left on device"):
        write_version(tmp_path, write)


def test_a_folder_that_cannot_be_made_is_an_export_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ExportError, match="cannot write below"):
        write_version(tmp_path / "file" / "model", write_token)


def test_a_version_does_not_show_before_it_is_whole(tmp_path: Path) -> None:
    seen = []

    def write(folder: Path) -> None:
        write_token(folder)
        seen.append(list_versions(tmp_path))

    write_version(tmp_path, write)

    assert seen == [{}]


def test_the_folder_of_a_writer_at_work_is_no_wreck(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        write_token(folder, "outer")
        write_version(tmp_path, lambda inner: write_token(inner, "inner"))

    write_version(tmp_path, write)

    assert {n: (v / "a").read_text() for n, v in list_versions(tmp_path).items()} == {1: "inner", 2: "outer"}


def test_what_a_dead_writer_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    (tmp_path / (STAGING_PREFIX + "wreck") / "variables").mkdir(parents=True)

    write_version(tmp_path, write_token)

    assert {path.name for path in tmp_path.iterdir()} == {"1", GIVEN}


WRITER = """
import sys
from pathlib import Path
from zoo.artifact import write_version

def write(folder):
    for name in ("a", "b"):
        (folder / name).write_text(token)

model, writer, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for i in range(count):
    token = f"{writer}-{i}"
    print(write_version(model, write).name, token)
"""


def start_writer(model: Path, name: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(model), name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_concurrent_writers_each_get_their_own_number(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, f"writer{i}", 25) for i in range(4)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    lines = [line.split() for writer in writers for line in writer.communicate(timeout=60)[0].splitlines()]

    told = {int(number): token for number, token in lines}
    assert len(lines) == len(told) == 4 * 25
    assert {number: (path / "a").read_text() for number, path in list_versions(tmp_path).items()} == told
    assert not list(tmp_path.glob(STAGING_PREFIX + "*"))


def test_a_reader_never_sees_part_of_a_version(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, "writer", 60)
    assert writer.stdin is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()

    seen: set[int] = set()
    while len(seen) < 60:
        versions = list_versions(tmp_path)
        assert all(is_complete(path) for path in versions.values())
        seen |= versions.keys()
        assert writer.poll() in (None, 0)
    writer.communicate(timeout=60)


# The child of number k dies at its k-th operation on the model's folder; the first child that lives ends the series.
KILLED_WRITERS = """
import os, signal, sys
from pathlib import Path
from zoo.artifact import write_version

top = sys.argv[1]
OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.listdir", "os.scandir",
              "fcntl.flock", "shutil.rmtree", "tempfile.mkdtemp"}

def die_at(k, model):
    count = 0
    def hook(event, args):
        nonlocal count
        if event in OPERATIONS and (event == "fcntl.flock" or str(args[0]).startswith(model)):
            count += 1
            if count == k:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def write(folder):
    (folder / "variables").mkdir()
    for name in ("a", "b", "variables/c"):
        (folder / name).write_text("token")

k = 0
status = 1
while status:
    k += 1
    model = os.path.join(top, str(k))
    os.mkdir(model)
    os.mkdir(os.path.join(model, ".incoming-older-wreck"))
    child = os.fork()
    if not child:
        die_at(k, model)
        write_version(Path(model), write)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status not in (0, signal.SIGKILL):
        sys.exit(f"the writer failed by itself: {status}")
print(k)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Models whose writer was killed at its first, second, ... operation; the last writer lived."""
    top = tmp_path_factory.mktemp("killed")
    run = subprocess.run(
        [sys.executable, "-c", KILLED_WRITERS, str(top)], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return [top / str(k) for k in range(1, int(run.stdout) + 1)]


def test_writers_were_killed_at_many_points(killed: list[Path]) -> None:
    died_before_publishing = [model for model in killed if not list_versions(model)]

    assert len(died_before_publishing) > 15
    assert sum(len(list(model.glob(STAGING_PREFIX + "*"))) > 0 for model in killed) > 15


def test_a_killed_writer_leaves_a_whole_version_or_none(killed: list[Path]) -> None:
    for model in killed:
        for version in list_versions(model).values():
            assert hash_files(version).keys() == {"a", "b", "variables/c"}
            assert is_complete(version)


def test_the_writer_after_a_killed_one_succeeds_and_clears_up(killed: list[Path], tmp_path: Path) -> None:
    for model in killed:
        before = list_versions(model)
        version = write_version(model, write_token)

        assert int(version.name) in {len(before) + 1, len(before) + 2}, "one that dies at the end has taken its number"
        assert {path.name for path in model.iterdir()} == {GIVEN, *(str(n) for n in (*before, version.name))}


def test_a_version_is_written_where_the_umask_is_strict(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        version = write_version(tmp_path, write_token)
    finally:
        os.umask(before)

    assert version.stat().st_mode & 0o055 == 0o055
