"""The page of results, in Markdown."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.serving_speed.disturbance import BEARABLE, TRIES
from benchmarks.serving_speed.limits import BATCHES, ENGINES
from benchmarks.serving_speed.results import Cell, Results, Spread
from benchmarks.serving_speed.servers import BY_NAME, INFER_BASES, NAIVE
from benchmarks.serving_speed.workload import Workload

_HOW = """\
Calls come over loopback from a process on the same cores. Closed loop: so many calls in flight, each followed by the next.
Open loop: calls at a fixed rate, late from when they were due. Every round starts all servers, asks them one thing after
another, in changing order and the others suspended, and ends them. Figures are medians over the rounds, [lowest..highest];
ratios are of what was measured within the same seconds. Every answer was compared with what the SavedModel says. All are
asked for `class_id` and `probabilities`. Ours checks every request against the signature, keeps deadlines and drains; the
hand-rolled server does not."""


@dataclass(frozen=True)
class Section:
    """Workloads that belong in one table."""

    title: str
    bases: tuple[str, ...]
    """The servers that ratios are to; the picture shows those to the first."""
    holds: Callable[[Workload], bool]


SECTIONS = (
    Section("Predict, one row a call", (NAIVE,), lambda w: _is(w, "predict") and w.batch == 1),
    Section("Predict, 32 rows a call", (NAIVE,), lambda w: _is(w, "predict") and w.batch > 1),
    Section("Predict, answers in tensor_content", (NAIVE,), lambda w: _is(w, "predict", as_content=True)),
    Section("Open Inference Protocol, one row a call", INFER_BASES, lambda w: _is(w, "infer") and w.batch == 1),
    Section("Open Inference Protocol, 32 rows a call", INFER_BASES, lambda w: _is(w, "infer") and w.batch > 1),
)


def _is(workload: Workload, protocol: str, *, as_content: bool = False) -> bool:
    return (workload.protocol, workload.loop, workload.as_content) == (protocol, "closed", as_content)


def write_report(results: Results, path: Path, *, picture: Path) -> None:
    """Write the page."""
    lines = ["# Serving speed", "", f"![requests per second, as ratios]({picture.name})", ""]
    if faults := results.faults():
        lines += ["**This run is void:**", "", *(f"- {fault}" for fault in faults), ""]
    lines += [_HOW, "", *(f"- {name}: {value}" for name, value in results.facts.items())]
    rounds = len({turn.round for turn in results.turns})
    lines += _disturbance(results)
    lines += [f"- {rounds} rounds, {results.settings['seconds']:g} s of each workload", ""]
    lines += _table(("server", "what it is"), [(name, BY_NAME[name].note) for name in results.servers()])
    lines += [f"Not measured: {name}: {why}." for name, why in results.left_out.items()]
    for section in SECTIONS:
        lines += _section(results, section)
    lines += [*_open_loop(results), *_processes(results), *_limits(results)]
    lines += ["", "`make bench-serving` measures anew; `make bench-peers` installs the other servers for it.", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _disturbance(results: Results) -> list[str]:
    cells = [cell for turn in results.turns for cell in turn.cells.values()]
    stolen = Spread.of([cell.stolen for cell in cells])
    again = sum(cell.tries > 1 for cell in cells)
    if stolen is None or (not again and not stolen.high):
        return []
    line = (
        f"- processor time that the host of this virtual machine gave to others: {_figure(stolen, '{:.0%}')} of what was "
        f"wanted; {again} of {len(cells)} measurements were taken again, up to {TRIES} times in all, since it was over "
        f"{BEARABLE:.1%}: the least disturbed counts"
    )
    return [line]


def _section(results: Results, section: Section) -> list[str]:
    workloads = [each for each in results.workloads() if section.holds(each)]
    servers = _asked(results, workloads)
    if not servers:
        return []
    lines = ["", f"## {section.title}", "", "Requests a second:", ""]
    lines += _by_server(workloads, servers, lambda s, w: _counts(results.spread(s, w, per_second)))
    for base in [each for each in section.bases if each in servers]:
        others = [name for name in servers if name != base]
        for what, value in (("Requests a second", per_second), ("The 99th percentile of a call", p99)):
            lines += ["", f"{what}, {base} = 1:", ""]
            lines += _by_server(workloads, others, partial(_ratio, results, base, value))
    lines += ["", "Milliseconds of a call, median / 99th percentile:", ""]
    lines += _by_server(workloads, servers, lambda s, w: _latency(results, s, w))
    lines += ["", "Processor time of the server, microseconds per call:", ""]
    return lines + _by_server(workloads, servers, lambda s, w: _counts(results.spread(s, w, lambda cell: cell.cpu_us)))


def _open_loop(results: Results) -> list[str]:
    workloads = [each for each in results.workloads() if each.loop == "open"]
    servers = _asked(results, workloads)
    if not servers:
        return []

    def cell(server: str, workload: Workload) -> str:
        refused = results.spread(server, workload, lambda cell: 100 * cell.load.failed / max(cell.load.calls, 1))
        share = f", {refused.median:.0f} % refused" if refused and refused.high > 0 else ""
        return _latency(results, server, workload) + share

    lines = [
        "",
        "## Predict at a fixed rate",
        "",
        "Milliseconds from when a call was due, median / 99th percentile:",
        "",
    ]
    return lines + _by_server(workloads, servers, cell)


def _processes(results: Results) -> list[str]:
    rows = []
    for server in results.servers():
        start = results.of_server(server, lambda turn: turn.start_seconds)
        memory = (
            results.of_server(server, lambda turn: turn.rss_mb),
            results.of_server(server, lambda turn: turn.pss_mb),
        )
        rows.append((server, _figure(start, "{:.1f}"), *(_figure(each, "{:,.0f}") for each in memory)))
    head = ("server", "seconds until it answers", "RSS, MB", "PSS, MB")
    said = (
        "Each with no other there: from its start until every model that it is asked about has answered rightly, and memory "
        "after some load, of all processes of a server. Those of the Open Inference Protocol alone hold three models, the "
        "others five."
    )
    return ["", "## The process", "", said, "", *_table(head, rows)]


def _limits(results: Results) -> list[str]:
    if not results.limits:
        return []
    models = dict.fromkeys((each.model, each.title) for each in results.workloads())
    head = ("model", *(f"{engine}, {batch} row{'s' * (batch > 1)}" for engine in ENGINES for batch in BATCHES))
    rows = [
        (title, *(_counts(results.limit(f"{model}/{engine}/{batch}")) for engine in ENGINES for batch in BATCHES))
        for model, title in models
    ]
    said = "; ".join(f"{engine}: {what}" for engine, what in ENGINES.items())
    return ["", "## The engine alone", "", f"Microseconds of a call without a server. {said}.", "", *_table(head, rows)]


def _asked(results: Results, workloads: Sequence[Workload]) -> list[str]:
    return [name for name in results.servers() if any(results.spread(name, each, per_second) for each in workloads)]


def _by_server(
    workloads: Iterable[Workload], servers: Sequence[str], cell: Callable[[str, Workload], str]
) -> list[str]:
    head = ("model", "load", *servers)
    rows = [(each.title, each.load, *(cell(server, each) for server in servers)) for each in workloads]
    return _table(head, rows)


def per_second(cell: Cell) -> float:
    """Return how many calls a second were answered."""
    return cell.load.per_second


def p99(cell: Cell) -> float:
    """Return the 99th percentile of the time of a call, in milliseconds."""
    return cell.load.p99_us / 1000


def _latency(results: Results, server: str, workload: Workload) -> str:
    middle = results.spread(server, workload, lambda cell: cell.load.p50_us / 1000)
    late = results.spread(server, workload, p99)
    return f"{_figure(middle, '{:.2f}')} / {_figure(late, '{:.2f}')}" if middle else "-"


def _counts(spread: Spread | None) -> str:
    small = spread is not None and spread.median < 10
    return _figure(spread, "{:.1f}" if small else "{:,.0f}")


def _ratio(results: Results, base: str, value: Callable[[Cell], float], server: str, workload: Workload) -> str:
    return _figure(results.ratio(server, base, workload, value), "{:.2f}")


def _figure(spread: Spread | None, form: str) -> str:
    if spread is None:
        return "-"
    median, low, high = (form.format(value) for value in (spread.median, spread.low, spread.high))
    return median if low == median == high else f"{median} [{low}..{high}]"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]
