"""How fast models are served: ours, a hand-rolled server, other Python servers, and the limits, in one run.

    python -m benchmarks.serving_speed            20 minutes: five rounds of everything
    python -m benchmarks.serving_speed --quick    2 minutes: two rounds of a few

Every round starts every server, asks all of them one thing after another, in changing order and the others suspended, and
ends them. Every answer is compared with what the SavedModel says; a wrong one voids the run. What was measured is kept:
--resume goes on with the first round that is not whole.
"""

import argparse
import importlib.metadata
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from benchmarks.environment import RESULTS, describe
from benchmarks.load import CACHE, describe_generator
from benchmarks.serving_speed.chart import draw
from benchmarks.serving_speed.limits import measure_limits
from benchmarks.serving_speed.measurement import Round
from benchmarks.serving_speed.models import models_folder, read_rows
from benchmarks.serving_speed.peers.environments import PACKAGES
from benchmarks.serving_speed.report import write_report
from benchmarks.serving_speed.results import Results
from benchmarks.serving_speed.servers import BY_NAME, SERVERS
from benchmarks.serving_speed.workload import FULL, QUICK, Workload

_PACKAGES = ("tensorflow", "keras", "grpcio", "protobuf", "numpy", "ai-edge-litert")
_LIMIT_SECONDS = 0.3
_ENDS = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Measure, and write the figures, the page and the picture; return 1 where the run is void."""
    options = _options()
    path = options.out.with_suffix(".json")
    results = _begin(options)
    if options.resume and path.exists():
        results = _go_on(results, Results.read(path), retry=not options.report)
    for each in _ENDS:
        signal.signal(each, _end)
    try:
        _measure(results, options, path)
    finally:  # also of half a run
        if results.turns:
            results.write(path)
            write_report(results, options.out.with_suffix(".md"), picture=options.out.with_suffix(".png"))
            draw(results, options.out.with_suffix(".png"))
            print(f"wrote {options.out}.json, .md and .png")
    faults = results.faults()
    print("\n".join(faults))
    return 1 if faults else 0


def _end(number: int, _: object) -> NoReturn:
    for each in _ENDS:
        signal.signal(each, signal.SIG_IGN)  # servers end, and what was measured is written, however often one asks
    raise SystemExit(128 + number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few workloads, two rounds; the results go to the cache")
    parser.add_argument("--rounds", type=int, help="default: 5, or 2 of --quick")
    parser.add_argument("--seconds", type=float, help="of each workload; default: 0.5, or 0.3 of --quick")
    parser.add_argument("--servers", help=f"some of: {'; '.join(BY_NAME)} (with ; between them)")
    parser.add_argument("--models", help="some of: m1,m2,m3,lstm,digits_cnn")
    parser.add_argument("--out", type=Path, help="where to write, without a suffix")
    parser.add_argument("--resume", action="store_true", help="go on where a run with the same settings was cut short")
    parser.add_argument("--report", action="store_true", help="measure nothing: page and picture of what is there")
    parser.add_argument("--note", default="", help="what to say of the machine")
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = 2 if options.quick else 5
    if options.seconds is None:
        options.seconds = 0.3 if options.quick else 0.5
    if options.out is None:
        options.out = (CACHE if options.quick else RESULTS) / "serving_speed"
    options.resume = options.resume or options.report
    return options


def _begin(options: argparse.Namespace) -> Results:
    workloads = QUICK if options.quick else FULL
    if options.models:
        workloads = tuple(each for each in workloads if each.model in options.models.split(","))
    names = [name.strip() for name in options.servers.split(";")] if options.servers else list(BY_NAME)
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        sys.exit(f"no such server: {', '.join(unknown)}; expected some of {'; '.join(BY_NAME)}")
    installed = {each.name for each in importlib.metadata.distributions()}
    peers = {server.peer for server in SERVERS if server.peer and server.is_installed()}
    facts = {
        **describe(each for each in _PACKAGES if each in installed),
        "other servers": ", ".join(PACKAGES[peer] for peer in sorted(peers)) or "none",
        "load": describe_generator(),
        "load average before": f"{os.getloadavg()[0]:.2f}",
        **({"note": options.note} if options.note else {}),
    }
    settings = {"seconds": options.seconds, "workloads": [each.key for each in workloads], "servers": names}
    left_out = {
        server.name: "not installed here: make bench-peers"
        for server in SERVERS
        if server.name in names and not server.is_installed()
    }
    return Results(facts, settings, left_out=left_out)


def _go_on(fresh: Results, kept: Results, *, retry: bool) -> Results:
    if kept.settings != fresh.settings:
        sys.exit("the results that are there are of other settings: give those, another --out, or leave --resume out")
    if retry:
        whole = kept.whole_rounds()
        kept.turns = [turn for turn in kept.turns if turn.round in whole]
    return kept


def _measure(results: Results, options: argparse.Namespace, path: Path) -> None:
    if options.report:
        return
    folder = models_folder()
    rows = read_rows(folder)
    workloads = [Workload.of(key) for key in results.settings["workloads"]]
    models = list(dict.fromkeys(each.model for each in workloads))
    servers = [BY_NAME[name] for name in results.settings["servers"] if name not in results.left_out]
    for number in range(options.rounds):
        if number in results.whole_rounds():
            continue
        print(f"round {number + 1}/{options.rounds}", flush=True)
        if len(results.limits) <= number:
            results.limits.append(measure_limits(folder, _LIMIT_SECONDS, models))
        measured = Round(number, servers, folder=folder, rows=rows, workloads=workloads, seconds=options.seconds)
        try:
            measured.run()
        finally:  # also of half a round
            results.turns += measured.turns
        results.write(path)


if __name__ == "__main__":
    sys.exit(main())
