"""`zoo runs` and `zoo runs compare`."""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.runs.entry import RunEntry

_EPILOG = """\
examples:
  zoo runs                                           every run in ./runs, the newest first
  zoo runs --recipe 'digits*' --sort test.accuracy   the best of digits_cnn, digits_mlp, ... first
  zoo runs --json                                    the same for programs
  zoo runs compare runs/digits_cnn/2026*             what they did differently, and what came of it
"""
_COMPARE_EPILOG = """\
examples:
  zoo runs compare runs/digits_cnn/20260101T120000Z-1a2b3c4d runs/digits_mlp
  zoo runs compare runs/digits_cnn/2026* --plot curves.png
"""


def runs_command(parser: argparse.ArgumentParser) -> None:
    """List the runs on this disk, or compare some of them."""
    parser.description = (
        "List runs: when, what became of them, their metrics. `zoo runs compare` puts some side by side."
    )
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", default="runs", metavar="DIR", help="where runs are kept (default: %(default)s)")
    parser.add_argument(
        "--recipe", default="*", metavar="PATTERN", help="only of recipes that match, such as 'digits*'"
    )
    parser.add_argument(
        "--sort",
        default="started",
        metavar="KEY",
        help="started (the newest first), recipe, status, epochs, seconds, or a metric such as test.accuracy",
    )
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_list)
    compare = parser.add_subparsers(metavar="").add_parser(
        "compare",
        help="show in what runs differ",
        description="Show the fields of the configs that differ, and every metric, side by side; * marks the best.",
        epilog=_COMPARE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    compare.add_argument(
        "folders", nargs="+", metavar="RUN", help="a run's folder, or that of a recipe's runs for the newest"
    )
    compare.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves of all into a .png file")
    compare.add_argument("--json", action="store_true", help="print JSON")
    compare.set_defaults(run=_compare)


def _list(arguments: argparse.Namespace) -> int:
    from training.runs.catalogue import find_runs, in_order
    from zoo.inspection.columns import lay_out

    entries = in_order(find_runs(arguments.runs, recipe=arguments.recipe), arguments.sort, backwards=arguments.reverse)
    if arguments.json:
        print(json.dumps([_plain(entry) for entry in entries], indent=1))
        return 0
    if not entries:
        print(f"no runs{'' if arguments.recipe == '*' else f' of {arguments.recipe}'} in {arguments.runs}")
        return 0
    head = ["RECIPE", "STARTED (UTC)", "STATUS", "EPOCHS", "BEST", "VALIDATION", "TEST", "TOOK", "RUN"]
    rows = [head, *(_row(entry, Path(arguments.runs), arguments.sort) for entry in entries)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lay_out(rows, width=width, right=(3, 4)):
        print(line.rstrip())
    for entry in entries:
        if entry.fault:
            print(f"damaged: {entry.folder}: {entry.fault}")
    return 0


def _row(entry: "RunEntry", root: Path, key: str) -> list[str]:
    from training.durations import in_words

    shown = key.partition(".")[2] if "." in key else None
    return [
        entry.recipe,
        f"{entry.started:%Y-%m-%d %H:%M}" if entry.started else "",
        entry.status,
        f"{entry.epochs}/{entry.planned}" if entry.planned else "",
        str(entry.best_epoch or ""),
        _metric(entry, "validation", [entry.monitor if shown is None else shown, entry.monitor]),
        _metric(entry, "test", [*([shown] if shown else []), *_telling(entry)]),
        "" if entry.seconds is None else in_words(entry.seconds),
        str(entry.folder.relative_to(root)),
    ]


def _telling(entry: "RunEntry") -> list[str]:
    """Return the test metrics, what people ask for first."""
    return sorted(entry.metrics.get("test", {}), key=lambda name: name.endswith("loss"))


def _metric(entry: "RunEntry", split: str, names: Sequence[str]) -> str:
    measured = entry.metrics.get(split, {})
    return next((f"{name} {_number(measured[name])}" for name in names if name in measured), "")


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) and abs(value) < 1e4 else f"{value:.4g}"


def _plain(entry: "RunEntry") -> dict[str, Any]:
    return {
        "folder": str(entry.folder),
        "recipe": entry.recipe,
        "status": entry.status,
        "started": entry.started.isoformat() if entry.started else None,
        "epochs": entry.epochs,
        "planned_epochs": entry.planned,
        "best_epoch": entry.best_epoch,
        "seconds": entry.seconds,
        "metrics": {
            split: {name: value if math.isfinite(value) else None for name, value in measured.items()}
            for split, measured in entry.metrics.items()
        },
        "fault": entry.fault or None,
    }


def _compare(arguments: argparse.Namespace) -> int:
    from training.run_log import newest
    from training.runs.comparison import best_of, compare_metrics, differing_fields
    from training.runs.entry import DAMAGED, read_entry
    from zoo.errors import ConfigError
    from zoo.inspection.columns import lay_out

    if arguments.plot is not None and arguments.plot.suffix != ".png":
        raise ConfigError(f"--plot: expected a file that ends in .png, got {str(arguments.plot)!r}")
    entries = [read_entry(newest(Path(folder))) for folder in arguments.folders]
    for entry in entries:
        if entry.status == DAMAGED:
            raise ConfigError(f"{entry.folder} is damaged: {entry.fault}")
    fields, metrics = differing_fields(entries), compare_metrics(entries)
    if arguments.json:
        numbers = {path: [v if math.isfinite(v) else None for v in values] for path, values in metrics.items()}
        print(json.dumps({"runs": [_plain(e) for e in entries], "fields": fields, "metrics": numbers}, indent=1))
    else:
        letters = [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(len(entries))]
        for letter, entry in zip(letters, entries, strict=True):
            print(f"{letter}  {entry.folder}  {entry.status}, {entry.epochs} epochs")
        body = [[path, *values] for path, values in fields.items()] or [
            ["(the configs are equal)", *[""] * len(entries)]
        ]
        for path, values in metrics.items():
            best = best_of(path, values)
            body.append([path, *(_marked(value, best=i == best) for i, value in enumerate(values))])
        print()
        for line in lay_out([["", *letters], *body]):
            print(line.rstrip())
    if arguments.plot is not None:
        from training.runs.picture import compare_curves

        arguments.plot.write_bytes(
            compare_curves(entries, [f"{entry.recipe}/{entry.folder.name}" for entry in entries])
        )
        print(f"picture    {arguments.plot}", file=sys.stderr if arguments.json else sys.stdout)
    return 0


def _marked(value: float, *, best: bool) -> str:
    return "-" if value != value else _number(value) + (" *" if best else "")  # noqa: PLR0124 - NaN differs from itself
