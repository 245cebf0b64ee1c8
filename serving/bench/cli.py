"""`zoo bench`."""

import argparse
import contextlib
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serving.arguments import count, positive_seconds

if TYPE_CHECKING:
    from serving.bench.loads import Load, Loads
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
    from serving.bench.loads import Loads
    from serving.bench.server import started
    from serving.status import ServerError

    if any(flag.replace(" ", "=") == "--transport=grpcio" for flag in args.serve_flag):
        raise ServerError("zoo bench reads the answers of the transport asyncio alone: leave --transport out")
    folders, loads = _folders(args.repository, args.model), Loads()
    interrupted = False
    with _sigterm_as_ctrl_c(), started(args.repository, args.serve_flag) as server:
        try:
            _measure(server, _subjects(server, folders, args), args, loads)
        except KeyboardInterrupt:
            interrupted = True
        memory = server.resident_mb()
    if interrupted and not loads.measured:
        raise KeyboardInterrupt
    _show(loads.measured, args, server, memory)
    if interrupted:
        print("zoo bench: interrupted; this is what was measured until then", file=sys.stderr)
        raise KeyboardInterrupt
    return 1 if any(load.wrong or load.failed for load in loads.measured) else 0


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Have whoever ends this process end its server too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show(loads: "Sequence[Load]", args: argparse.Namespace, server: "BenchServer", memory: float | None) -> None:
    from serving.bench.report import to_json, to_table

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


def _asking(loads: "Sequence[Load]") -> str:
    """Say what those took who asked, for they take it from the same cores."""
    rounds = [each.client_cpu_us for load in loads for each in load.rounds]
    least, most = f"{min(rounds):.0f}", f"{max(rounds):.0f}"
    return f"Who asked took {least if least == most else f'{least} to {most}'} us of the same cores a call."


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


def _measure(
    server: "BenchServer", subjects: "Sequence[tuple[Subject, str]]", args: argparse.Namespace, loads: "Loads"
) -> None:
    """Measure all, round by round, into `loads`."""
    from serving.bench.measuring import measure

    plan = [(subject, engine, in_flight) for subject, engine in subjects for in_flight in args.concurrency]
    try:
        for turn in range(args.rounds):
            for at, (subject, engine, in_flight) in enumerate(plan if turn % 2 == 0 else plan[::-1]):
                _tell(
                    f"round {turn + 1}/{args.rounds}, {at + 1}/{len(plan)}: {subject.model}, {in_flight} on their way"
                )
                measured = measure(server, subject, in_flight=in_flight, seconds=args.seconds)
                loads.add(subject, engine, in_flight, measured)
    finally:
        _tell("")


def _tell(progress: str) -> None:
    """Show how far it is, in the place of what was shown before; to a person alone."""
    if sys.stderr.isatty():
        print(f"\r{progress}\x1b[K", end="", file=sys.stderr, flush=True)


def _subjects(server: "BenchServer", folders: Sequence[Path], args: argparse.Namespace) -> "list[tuple[Subject, str]]":
    """Return what each model is asked, and what runs it.

    Raises:
        ZooError: a model that was named cannot be asked, or none can. Others are left out, which is told.
    """
    from serving.bench.subject import Subject
    from serving.client import Client
    from serving.remote_control import READY, RemoteControl
    from serving.status import ServerError
    from zoo.errors import UnknownNameError, ZooError, did_you_mean

    found = []
    with Client(server.target) as client:
        control = RemoteControl(client)
        versions = {line.model: line.version for line in control.index(timeout=_TIMEOUT) if line.state == READY}
        for folder in folders:
            try:
                known = client.signatures(folder.name, timeout=_TIMEOUT)
                if args.signature not in known:
                    hint = did_you_mean(args.signature, known)
                    raise UnknownNameError(f"{folder.name} has no signature {args.signature!r}; {hint}")
                subject = Subject.of(folder, known[args.signature], args.rows)
            except ZooError as error:
                if args.model:
                    raise
                print(f"zoo bench: {folder.name} is left out: {error}", file=sys.stderr)
                continue
            version = versions.get(folder.name)
            engines = {} if version is None else control.engines(folder.name, version, timeout=_TIMEOUT)
            found.append((subject, engines.get(args.signature, "its engine")))
    if not found:
        raise ServerError("none of these models can be asked")
    return found
