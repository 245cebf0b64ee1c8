import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from training.sources.client import run_client
from training.sources.collection import MissingClientError, SourceError

Install = Callable[[str, str], Path]


def ignore(size: int) -> None: ...


def test_a_program_runs_in_the_folder_with_its_temporary_files_there(tmp_path: Path, install_program: Install) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    install_program("client", 'echo "$1" > said; echo "$TMPDIR" > temporary')
    run_client(["client", "hello world"], folder=folder, watch=ignore, remedy="")
    assert (folder / "said").read_text() == "hello world\n"
    assert Path((folder / "temporary").read_text().strip()).is_relative_to(folder)


def test_a_program_that_is_missing_is_named_with_its_remedy(tmp_path: Path, no_programs: None) -> None:
    with pytest.raises(MissingClientError, match=r"^npm is missing: install Node\.js$") as raised:
        run_client(["npm", "pack"], folder=tmp_path, watch=ignore, remedy="install Node.js")
    assert raised.value.client == "npm"


def test_a_program_that_fails_is_quoted(tmp_path: Path, install_program: Install) -> None:
    install_program("client", "echo much; echo more; echo E: no such package >&2; echo; exit 100")
    with pytest.raises(SourceError, match=r"^much / more / E: no such package$"):
        run_client(["client"], folder=tmp_path, watch=ignore, remedy="")


def test_a_program_that_fails_and_says_nothing(tmp_path: Path, install_program: Install) -> None:
    install_program("client", "exit 7")
    with pytest.raises(SourceError, match="exit code 7"):
        run_client(["client"], folder=tmp_path, watch=ignore, remedy="")


def test_what_has_come_so_far_is_told(tmp_path: Path, install_program: Install) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    # The program waits until it was seen, so that this needs no clock.
    install_program("client", "printf 12345 > part; while [ ! -e seen ]; do sleep 0.05; done")
    sizes = []

    def watch(size: int) -> None:
        sizes.append(size)
        if size == 5:
            (folder / "seen").touch()

    run_client(["client"], folder=folder, watch=watch, remedy="")
    assert sizes[-1] == 5


def test_a_program_that_gets_nothing_is_given_up(tmp_path: Path, install_program: Install) -> None:
    install_program("client", "while true; do echo retrying; sleep 0.05; done")
    with pytest.raises(SourceError, match=r"nothing came for 0\.5 s: is there a network\?"):
        run_client(["client"], folder=tmp_path, watch=ignore, remedy="", patience=0.5)


def test_an_interrupted_program_ends_with_all_that_it_started(tmp_path: Path, install_program: Install) -> None:
    install_program("client", "sleep 600 & echo $! > child; wait")

    def interrupt(size: int) -> None:
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_client(["client"], folder=tmp_path, watch=interrupt, remedy="")
    child = int((tmp_path / "child").read_text())
    assert _is_gone(child)


def _is_gone(process: int) -> bool:
    """Whether a process ends, given half a minute: one that was killed takes a moment to."""
    try:
        if sys.platform != "linux":
            os.kill(process, 0)
            return False
        ending = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([ending], [], [], 30)[0])
    finally:
        os.close(ending)
