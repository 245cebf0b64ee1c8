import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from zoo.cli import main

GREET = '''
import signal, sys, warnings

from zoo.errors import ConfigError, DeprecatedNameWarning

def greet_command(parser):
    """Greet somebody, 100% politely.

    More that the help line does not need.
    """
    parser.add_argument("--name", default="you")
    parser.add_argument("--fail", action="store_true")
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--flood", action="store_true")
    parser.add_argument("--dated", action="store_true")
    parser.add_argument("--careless", action="store_true")
    parser.description = "Greets, given as --flag=value."
    parser.set_defaults(run=greet)

def greet(args):
    if args.fail:
        raise ConfigError("nobody to greet")
    if args.wait:
        print("waiting", flush=True)
        signal.pause()
    if args.careless:
        warnings.warn("mind the step")
    if args.dated:
        warnings.warn("'hail' is now called 'greet'", DeprecatedNameWarning)
        warnings.warn("'hail' is now called 'greet'", DeprecatedNameWarning)
    while args.flood:
        print("hello")
    print("hello", args.name)
    return 3
'''
ENTRY_POINTS = "[zoo.commands]\ngreet = greeter:greet_command\nsulk = nowhere.to.be.found:sulk_command\n"


@pytest.fixture
def site(install: Callable[..., str]) -> str:
    """An installed package with one working and one broken command."""
    return install("greeter", source=GREET, entry_points=ENTRY_POINTS)


def zoo(*arguments: str, site: str = "", **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "zoo", *arguments],
        env={**os.environ, "PYTHONPATH": site, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


# ---- the program


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])

    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"keras-zoo {version('keras-zoo')}\n"


def test_help_imports_no_framework(run_python: Callable[..., Any]) -> None:
    run = run_python(
        """
import contextlib, io, sys
from zoo.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main(["--help"])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"keras", "tensorflow", "jax", "pydantic", "grpc"}))
"""
    )

    assert run.stdout == "[]\n", run.stderr


def test_help_lists_every_command_by_the_first_line_of_its_docstring(site: str) -> None:
    lines = [line.split(maxsplit=1) for line in zoo("--help", site=site).stdout.splitlines()]

    assert ["greet", "Greet somebody, 100% politely."] in lines
    assert ["verify", "Check that an exported model is whole and still answers as it did."] in lines


def test_help_of_a_command_tells_its_options(site: str) -> None:
    assert "--name NAME" in zoo("greet", "--help", site=site).stdout


def test_a_broken_command_is_listed_as_unavailable_with_the_reason(site: str) -> None:
    assert "sulk" in zoo("--help", site=site).stdout
    assert "(unavailable: ModuleNotFoundError: No module named 'nowhere')" in zoo("--help", site=site).stdout


def test_a_broken_command_says_why_it_cannot_run(site: str) -> None:
    run = zoo("sulk", "--loudly", site=site)

    assert run.returncode == 2
    assert run.stderr == (
        "zoo: error: the command 'sulk' is unavailable: ModuleNotFoundError: No module named 'nowhere'\n"
    )


def test_a_command_beside_a_broken_one_runs_and_its_status_is_the_exit_code(site: str) -> None:
    run = zoo("greet", "--name", "Ada", site=site)

    assert (run.stdout, run.stderr, run.returncode) == ("hello Ada\n", "", 3)


def test_a_zoo_error_is_one_line_and_exit_code_2(site: str) -> None:
    run = zoo("greet", "--fail", site=site)

    assert (run.stdout, run.stderr, run.returncode) == ("", "zoo: error: nobody to greet\n", 2)


def test_a_deprecated_name_is_a_warning_of_one_line_said_once(site: str) -> None:
    run = zoo("greet", "--dated", site=site)

    assert run.stderr == "zoo: warning: 'hail' is now called 'greet'\n"
    assert run.returncode == 3


def test_other_warnings_stay_as_python_shows_them(site: str) -> None:
    run = zoo("greet", "--careless", site=site)

    assert "greeter.py" in run.stderr
    assert "UserWarning: mind the step" in run.stderr


def test_an_abbreviated_option_is_refused(site: str) -> None:
    run = zoo("greet", "--nam", "Ada", site=site)

    assert run.returncode == 2
    assert "unknown argument '--nam'; did you mean '--name'?" in run.stderr


def test_the_known_options_are_those_there_are_and_not_what_the_help_speaks_of(site: str) -> None:
    run = zoo("greet", "--flg", site=site)

    assert run.stderr.partition("known: ")[2].split(", ") == [
        "--careless", "--dated", "--fail", "--flood", "--help", "--name", "--wait\n",
    ]  # fmt: skip


def test_a_word_too_many_is_told_from_an_option(site: str) -> None:
    run = zoo("greet", "Ada", site=site)

    assert run.returncode == 2
    assert run.stderr == "zoo: error: there is no place for 'Ada'; `zoo greet --help` says what it takes\n"


def test_an_interrupt_is_exit_code_130_without_a_traceback(site: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo", "greet", "--wait"],
        env={**os.environ, "PYTHONPATH": site},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)

    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")


def test_a_closed_pipe_ends_the_program_quietly(site: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo", "greet", "--flood"],
        env={**os.environ, "PYTHONPATH": site},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "hello\n"
    process.stdout.close()

    assert process.stderr.read() == ""
    assert process.wait(30) == 141
    process.stderr.close()


def test_an_unknown_command_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verfy", "--quick"]) == 2
    assert capsys.readouterr().err.startswith("zoo: error: unknown command 'verfy'; did you mean 'verify'? known: ")


def test_without_a_command_the_help_is_shown_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: zoo" in capsys.readouterr().err


def test_the_script_and_the_module_are_the_same_door() -> None:
    script = Path(sys.executable).with_name("zoo")
    run = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=True)

    assert run.stdout == zoo("--version").stdout


# ---- zoo verify


def test_verify_says_ok_check_by_check(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(artifact)]) == 0

    version, *checks = capsys.readouterr().out.splitlines()
    assert version == str(artifact)
    assert [check.split()[0] for check in checks] == ["ok"] * len(checks)
    names = [" ".join(check.split()[1:]) for check in checks]
    assert names[:2] == ["files", "signatures"]
    assert {"golden answers (8 rows)", "signatures agree"} <= set(names)


def test_verify_names_each_fault_and_exits_with_1(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "fingerprint.pb").unlink()
    (copied / "extra").touch()

    assert main(["verify", str(copied.parent)]) == 1

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1].split() == ["FAILED", "files"]
    assert lines[2:] == ["fingerprint.pb is missing", "extra was not there at export"]


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_verify_of_no_artifact_exits_with_2(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()

    assert main(["verify", str(tmp_path / name)]) == 2
    assert str(tmp_path / name) in capsys.readouterr().err


def test_verify_finds_the_newest_version(artifact: Path, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(artifact, copied.parent / "12")

    assert main(["verify", str(copied.parent)]) == 0
    assert capsys.readouterr().out.startswith(f"{copied.parent / '12'}\n")
