"""The one program `zoo`: finds its commands, runs one, and turns what went wrong into a sentence.

A command is an entry point of the group `zoo.commands`: a function that fills a parser with arguments and sets `run` to
what is to be done. The first line of its docstring is its line in `zoo --help`.
"""

import argparse
import contextlib
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

from zoo.command_parser import CommandParser
from zoo.errors import DeprecatedNameWarning, UnknownNameError, ZooError, did_you_mean
from zoo.tensorflow_noise import silence_tensorflow

ENTRY_POINTS = "zoo.commands"
FAILED = 1
MISUSED = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
PIPE_CLOSED = 141  # 128 + SIGPIPE

Command = Callable[[argparse.ArgumentParser], None]
"""Fills a parser and sets its default `run` to a function (args) -> exit code."""


@dataclass(frozen=True)
class Unavailable:
    """A command that is installed but cannot be imported."""

    reason: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0 done, 1 the answer is no, 2 it could not be done."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with _plain_warnings():
            status = _run(arguments)
        sys.stdout.flush()  # a closed pipe shows here, not at interpreter exit
    except ZooError as error:
        print(f"zoo: error: {error}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it flushes at exit
        return PIPE_CLOSED
    except OSError as error:
        print(f"zoo: error: {error}", file=sys.stderr)
        return MISUSED
    return status


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show that a name is deprecated as a sentence, once, without the line of code that read it."""
    show, told = warnings.showwarning, set()

    def show_plainly(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
        if not issubclass(category, DeprecatedNameWarning):
            show(message, category, *place, **options)
        elif str(message) not in told:
            told.add(str(message))
            print(f"zoo: warning: {message}", file=sys.stderr)

    warnings.showwarning = show_plainly
    try:
        yield
    finally:
        warnings.showwarning = show


def _run(arguments: Sequence[str]) -> int:
    commands = _find_commands()
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    if asked is not None and asked not in commands:
        raise UnknownNameError(f"unknown command {asked!r}; {did_you_mean(asked, commands)}")
    command = commands.get(asked or "")
    if isinstance(command, Unavailable):
        raise ZooError(f"the command {asked!r} is unavailable: {command.reason}")
    parser = _make_parser(commands)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser = getattr(options, "parser", parser)
        if not unknown[0].startswith("-"):
            raise UnknownNameError(f"there is no place for {unknown[0]!r}; `{parser.prog} --help` says what it takes")
        flags = re.findall(
            r"^  (?:-\w, )?(--[\w-]+)", parser.format_help(), re.MULTILINE
        )  # other lines only speak of them
        raise UnknownNameError(f"unknown argument {unknown[0]!r}; {did_you_mean(unknown[0], flags)}")
    if "run" not in options:
        getattr(options, "parser", parser).print_help(sys.stderr)
        return MISUSED
    return options.run(options)


def _find_commands() -> dict[str, Command | Unavailable]:
    commands: dict[str, Command | Unavailable] = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            commands[point.name] = point.load()
        except Exception as error:  # noqa: BLE001  # another package's import may fail in any way; the rest must work
            commands[point.name] = Unavailable(f"{type(error).__name__}: {error}")
    return commands


def _make_parser(commands: Mapping[str, Command | Unavailable]) -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="zoo", description="Build, train, export and serve Keras models by name.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"keras-zoo {version('keras-zoo')}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, command in commands.items():
        if isinstance(command, Unavailable):
            subparsers.add_parser(name, help=_escaped(f"(unavailable: {command.reason})"))
            continue
        summary = _escaped(_first_line(command))
        subparser = subparsers.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        command(subparser)
        subparser.set_defaults(parser=subparser)
    return parser


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # argparse formats help with %


def verify_command(parser: argparse.ArgumentParser) -> None:
    """Check that an exported model is whole and still answers as it did."""
    parser.add_argument("path", type=Path, help="a version folder, or a model folder for its newest version")
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from zoo.verifying import verify

    silence_tensorflow()
    report = verify(options.path)
    print(report.version)
    for check in report.checks:
        print(f"  {'FAILED' if check.faults else 'ok':6}  {check.name}")
        for fault in check.faults:
            print(f"          {fault}")
    return 0 if report.ok else FAILED


def diff_command(parser: argparse.ArgumentParser) -> None:
    """Compare two exported versions: config, metrics, and answers to the same inputs."""
    parser.description = "Compare two exported versions: config, metrics, and answers to the golden inputs of both."
    parser.epilog = (
        "exit codes: 0 they answer alike, within the tolerance of the first, 1 they do not, 2 could not be compared"
    )
    parser.add_argument("one", type=Path, help="a version folder, or a model folder for its newest version")
    parser.add_argument("two", type=Path, help="the other")
    parser.set_defaults(run=_diff)


def _diff(options: argparse.Namespace) -> int:
    from zoo.comparison import compare_versions
    from zoo.inspection.columns import lay_out

    silence_tensorflow()
    found = compare_versions(options.one, options.two)
    rows: list[tuple[str, ...]]
    for title, differences in (("facts", found.facts), ("metrics", found.metrics)):
        print(f"{title}{'' if differences else ': the same'}")
        rows = [(each.what, _short(each.one), _short(each.two)) for each in differences]
        print(*lay_out([("", str(found.one), str(found.two)), *rows] if rows else [], indent="  "), sep="\n")
    compared = "not all compared" if found.answers else "not compared"
    print("answers" + (f": {compared}, {found.incomparable}" if found.incomparable else ""))
    rows = [
        (
            each.output,
            f"by up to {each.largest:.3g}" if each.flips is None else f"{each.flips:.1%} differ",
            f"{each.rows} rows",
            "" if each.alike else "beyond the tolerance",
        )
        for each in found.answers
    ]
    print(*lay_out(rows, indent="  "), sep="\n")
    return 0 if found.same_answers else FAILED


def _short(value: object) -> str:
    text = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:56] + " ..."
