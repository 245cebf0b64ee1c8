"""`zoo bench`."""

import argparse
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serving.arguments import count, positive_seconds

if TYPE_CHECKING:
    from serving.bench.report import Load
    from serving.bench.server import BenchServer
    from serving.bench.subject import Subject

_TIMEOUT = 60.0


def bench_command(parser: argparse.ArgumentParser) -> None:
    """Measure how fast this machine serves models, and hold every answer against what it should be."""
    parser.description = (
        "Start `zoo serve` on a free port, keep calls on their way to each model, and print how many are\n"
        "answered, in what time, and for how much processor time. What is asked are the golden inputs of the\n"
        "model's passport, and every answer is held against the golden ones; a model without a passport is\n"
        "asked made-up rows, and its answers are held against each other. Who asks runs on the same cores.\n"
        "Exit code 1 where an answer was wrong or a call failed."
    )
    parser.epilog = (
        "examples:\n"
        "  zoo bench                                           every model under saved_models/\n"
        "  zoo bench runs/models --model digits --rows 32      32 rows a call\n"
        "  zoo bench --concurrency 1,64 --seconds 5 --rounds 5\n"
        "  zoo bench --serve-flag=--engine=saved_model         as fast as TensorFlow alone\n"
        "  zoo bench --json bench.json                         every round of it, for programs"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "repository", nargs="?", type=Path, default=Path("saved_models"), help="folder of models (default: %(default)s)"
    )
    parser.add_argument("--model", action="append", metavar="NAME", help="this model alone; may be repeated")
    parser.add_argument("--signature", default="serving_default", help="that is asked (default: %(default)s)")
    parser.add_argument("--rows", type=count, default=1, help="of each call (default: %(default)s)")
    parser.add_argument(
        "--concurrency", type=_counts, default=[1, 8, 32, 64], metavar="N,N,...",
        help="calls on their way, one measurement each (default: 1,8,32,64)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=positive_seconds, default=1.0, help="of each measurement (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=count, default=3, help="how often all is measured, in turns (default: %(default)s)"
    )
    parser.add_argument(
        "--serve-flag",
        action="append",
        default=[],
        metavar="--FLAG=VALUE",
        help="start zoo serve with it; may be repeated",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round into a file too")
    parser.set_defaults(run=_bench)


def _counts(text: str) -> list[int]:
    return [count(each.strip()) for each in text.split(",")]


def _bench(args: argparse.Namespace) -> int:
    from serving.bench.report import to_json, to_table
    from serving.bench.server import started

    folders = _folders(args.repository, args.model)
    with started(args.repository, args.serve_flag) as server:
        loads = _measured(server, folders, args)
        memory = server.resident_mb()
    facts: dict[str, object] = {
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "start_seconds": round(server.start_seconds, 2),
        "resident_mb": memory,
        "seconds": args.seconds,
    }
    print("\n".join(to_table(loads)).lstrip("\n"))
    held = "" if memory is None else f", {memory:,.0f} MB at the end"
    print(f"\nThe server was up after {server.start_seconds:.1f} s{held}. {_asking(loads)}")
    if args.json is not None:
        args.json.write_text(to_json(loads, facts), encoding="utf-8")
    return 1 if any(load.wrong or load.failed for load in loads) else 0


def _asking(loads: "Sequence[Load]") -> str:
    """Say what those took who asked, for they take it from the same cores."""
    rounds = [each.client_cpu_us for load in loads for each in load.rounds]
    return f"Who asked took {min(rounds):.0f} to {max(rounds):.0f} us of the same cores a call."


def _folders(repository: Path, wanted: Sequence[str] | None) -> list[Path]:
    """Return the folders of the models. Raises ServerError or UnknownNameError."""
    from serving.status import ServerError
    from zoo.artifact import list_models
    from zoo.errors import UnknownNameError, did_you_mean

    models = list_models(repository)
    if not models:
        raise ServerError(f"there is no model in {repository}: expected folders <model>/<version>/saved_model.pb")
    for name in wanted or ():
        if name not in models:
            raise UnknownNameError(f"unknown model {name!r}; {did_you_mean(name, models)}")
    return [models[name] for name in (dict.fromkeys(wanted) if wanted else models)]


def _measured(server: "BenchServer", folders: Sequence[Path], args: argparse.Namespace) -> "list[Load]":
    from serving.bench.measuring import Measured, measure
    from serving.bench.report import Load

    subjects = _subjects(server, folders, args.signature, args.rows)
    plan = [(number, in_flight) for number in range(len(subjects)) for in_flight in args.concurrency]
    found: dict[tuple[int, int], list[Measured]] = {each: [] for each in plan}
    for turn in range(args.rounds):
        for at, (number, in_flight) in enumerate(plan if turn % 2 == 0 else plan[::-1]):
            subject, _ = subjects[number]
            _tell(f"round {turn + 1}/{args.rounds}, {at + 1}/{len(plan)}: {subject.model}, {in_flight} on their way")
            found[number, in_flight].append(measure(server, subject, in_flight=in_flight, seconds=args.seconds))
    _tell("")
    return [
        Load(subjects[number][0].model, subjects[number][0].signature, subjects[number][1], subjects[number][0].rows,
             in_flight, rounds)
        for (number, in_flight), rounds in found.items()
    ]  # fmt: skip


def _tell(progress: str) -> None:
    """Show how far it is, in the place of what was shown before; to a person alone."""
    if sys.stderr.isatty():
        print(f"\r{progress}\x1b[K", end="", file=sys.stderr, flush=True)


def _subjects(server: "BenchServer", folders: Sequence[Path], signature: str, rows: int) -> "list[tuple[Subject, str]]":
    """Return what each model is asked, and what runs it. Raises UnknownNameError; CallError, a model does not answer."""
    from serving.bench.subject import Subject
    from serving.client import Client
    from serving.remote_control import READY, RemoteControl
    from zoo.errors import UnknownNameError, did_you_mean

    found = []
    with Client(server.target) as client:
        control = RemoteControl(client)
        ready = [line for line in control.index(timeout=_TIMEOUT) if line.state == READY]
        versions = {line.model: line.version for line in ready if line.version is not None}
        for folder in folders:
            known = client.signatures(folder.name, timeout=_TIMEOUT)
            if signature not in known:
                raise UnknownNameError(
                    f"{folder.name} has no signature {signature!r}; {did_you_mean(signature, known)}"
                )
            engines = control.engines(folder.name, versions[folder.name], timeout=_TIMEOUT)
            found.append((Subject.of(folder, known[signature], rows), engines.get(signature, "its engine")))
    return found
