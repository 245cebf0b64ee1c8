"""`zoo list`, `zoo show`, `zoo summary`, `zoo plot` and `zoo schema`."""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError
from zoo.inspection.columns import lay_out
from zoo.tensorflow_noise import silence_tensorflow

if TYPE_CHECKING:
    from zoo.inspection.catalogue import Entry
    from zoo.inspection.layer_table import LayerRow, Summary
    from zoo.inspection.subject import Subject
    from zoo.inspection.timing import Timing

_LIST_EPILOG = """\
examples:
  zoo list                            every architecture and named size
  zoo list 'cnn*'                     those whose names begin with cnn
  zoo list --head token --tag text    those that can answer with tokens and are tagged text
  zoo list --max-params 50k           those whose example has at most 50,000 parameters
"""
_SHOW_EPILOG = """\
examples:
  zoo show cnn                        every field of a cnn, what it means and what it is when nobody sets it
  zoo show cnn_small --json           the same of a named size, for programs
"""
_SUMMARY_EPILOG = """\
examples:
  zoo summary mlp_tiny                layers, how their parameters are counted, multiply-adds, time per row
  zoo summary mlp_tiny units=[64,64] input_shape=[20]
  zoo summary digits_cnn --no-timing  the model of a recipe
  zoo summary my_recipe.yaml --set model.units=[32]
  zoo summary saved_models/digits_cnn --json
"""
_PLOT_EPILOG = """\
examples:
  zoo plot cnn_small                  writes cnn_small.svg and cnn_small.png
  zoo plot digits_cnn --output docs/digits_cnn.svg
  zoo plot transformer num_layers=6 --output transformer.png --force
"""
_SCHEMA_EPILOG = """\
examples:
  zoo schema --output recipe.schema.json      then, as the first line of a recipe, so that editors complete and check it:
                                              # yaml-language-server: $schema=recipe.schema.json
  zoo schema model                            of the section `model` alone
  zoo schema cnn                              of one architecture
"""
_SUBJECT = (
    "an architecture, a named size, a recipe's name, or the path of a recipe, a run, an exported model or a .keras file"
)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9}


def list_command(parser: argparse.ArgumentParser) -> None:
    """List the architectures and the named sizes."""
    _describe(parser, _LIST_EPILOG)
    parser.add_argument("pattern", nargs="?", default="*", help="only names that match, such as 'cnn*'")
    parser.add_argument("--family", metavar="NAME", help="only sizes of this architecture")
    parser.add_argument(
        "--head", metavar="KIND", help="only what can carry such a head: sigmoid, softmax, linear, token"
    )
    parser.add_argument("--tag", help="only what has this tag, such as image")
    parser.add_argument("--min-params", metavar="N", type=_count, help="with at least so many parameters, such as 10k")
    parser.add_argument("--max-params", metavar="N", type=_count, help="with at most so many parameters, such as 1.5M")
    parser.add_argument("--params", action="store_true", help="count parameters, also where nothing is filtered")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_list)


def show_command(parser: argparse.ArgumentParser) -> None:
    """Show every field of an architecture or a named size, and how to use it."""
    _describe(parser, _SHOW_EPILOG)
    parser.add_argument("name", help="of an architecture or a named size, see `zoo list`")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_show)


def summary_command(parser: argparse.ArgumentParser) -> None:
    """Show a model's layers, how its parameters are counted, and what it costs."""
    _describe(parser, _SUMMARY_EPILOG)
    _add_subject(parser, " (default: 128)")
    parser.add_argument("--no-timing", action="store_true", help="do not measure how long a row takes on this machine")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_summary)


def plot_command(parser: argparse.ArgumentParser) -> None:
    """Draw a model, as SVG and PNG."""
    _describe(parser, _PLOT_EPILOG)
    _add_subject(parser)
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="an .svg or a .png file (default: NAME.svg and NAME.png)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.set_defaults(run=_plot)


def schema_command(parser: argparse.ArgumentParser) -> None:
    """Write the JSON Schema of recipes, with which editors complete and check them."""
    _describe(parser, _SCHEMA_EPILOG)
    parser.add_argument(
        "name", nargs="?", default="recipe", help="recipe (default), model, passport, an architecture or a named size"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there rather than to standard output")
    parser.set_defaults(run=_schema)


def _describe(parser: argparse.ArgumentParser, epilog: str) -> None:
    parser.epilog = epilog.replace("%", "%%")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def _add_subject(parser: argparse.ArgumentParser, default: str = "") -> None:
    parser.add_argument("what", metavar="NAME|RECIPE", help=_SUBJECT)
    parser.add_argument(
        "fields", nargs="*", metavar="FIELD=VALUE", help="change a field of the model, such as units=[32,32]"
    )
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="the same", dest="overrides")
    parser.add_argument("--length", type=int, metavar="N", help=f"of axes that may be of any length{default}")


def _count(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([kmbg]?)", text.strip().replace("_", "").lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a number such as 5000, 10k or 1.5M, got {text!r}")
    return int(float(found[1]) * _UNITS[found[2]])


def _list(options: argparse.Namespace) -> int:
    silence_tensorflow()
    from zoo.inspection.catalogue import Filter, find_entries

    wanted = Filter(options.pattern, options.family, options.head, options.tag, options.min_params, options.max_params)
    # Counting means building: that takes longer than all of the rest, so a whole list is counted on demand only.
    entries = find_entries(wanted, count=options.params or wanted != Filter())
    if options.json:
        print(json.dumps(_entries_as_json(entries), indent=2))
        return 0
    families = [entry for entry in entries if not entry.is_size]
    sizes = [entry for entry in entries if entry.is_size]
    if families:
        print("architectures")
        _print_rows([[e.name, _parameters(e), " ".join(e.tags), e.summary] for e in families], right=[1])
    if sizes:
        print("named sizes")
        _print_rows([[e.name, e.family, _parameters(e), " ".join(e.tags), e.summary] for e in sizes], right=[2])
    return 0


def _parameters(entry: "Entry") -> str:
    return "" if entry.parameters is None else f"{entry.parameters:,} parameters"


def _entries_as_json(entries: Sequence["Entry"]) -> dict[str, Any]:
    return {
        "architectures": {entry.name: entry.summary for entry in entries if not entry.is_size},
        "models": {entry.name: entry.fields for entry in entries if entry.is_size},
        "tags": {entry.name: entry.tags for entry in entries},
        "parameters": {entry.name: entry.parameters for entry in entries if entry.parameters is not None},
    }


def _show(options: argparse.Namespace) -> int:
    silence_tensorflow()
    from zoo.inspection.description import describe

    found = describe(options.name)
    if options.json:
        print(json.dumps(found.to_dict(), indent=2))
        return 0
    print(f"{found.name}: {found.summary}")
    facts = [["stands for", found.stands_for], ["tags", ", ".join(found.tags)], ["heads", ", ".join(found.heads)]]
    _print_rows([fact for fact in facts if fact[1]])
    print("\nfields")
    _print_rows(
        [[f.path, f.type, f.default_in_words, f.meaning] for f in found.fields],
        header=["field", "type", "default", "meaning"],
    )
    print("\npreprocessing steps, each {kind: ..., and its fields}")
    _print_rows([[kind, f"({fields}) {meaning}"] for kind, (fields, meaning) in found.steps.items()])
    for title, text in found.uses.items():
        print(f"\n{title}")
        print("\n".join(f"  {line}" for line in text.splitlines()))
    return 0


def _subject(options: argparse.Namespace, length: int | None) -> "Subject":
    from zoo.inspection.subject import find_subject

    if options.length is not None and options.length < 1:
        raise ConfigError(f"--length: expected a number of at least 1, got {options.length}")
    return find_subject(options.what, [*options.fields, *options.overrides], length=length)


def _summary(options: argparse.Namespace) -> int:
    silence_tensorflow()
    from zoo.inspection.layer_table import summarize
    from zoo.inspection.timing import LENGTH, time_rows

    length = options.length or LENGTH
    subject = _subject(options, length)
    model = subject.model()
    table = summarize(model)
    timings = [] if options.no_timing else time_rows(model, length=length)
    if options.json:
        print(json.dumps(_summary_as_json(subject, table, timings), indent=2))
        return 0
    _print_summary(subject, table)
    if timings:
        from zoo.inspection.timing import device

        times = ", ".join(f"{_seconds(t.seconds_per_row)} in batches of {t.batch}" for t in timings)
        _print_rows([["time per row", f"{times} (median, compiled, on {device()})"]], indent="")
    return 0


def _summary_as_json(subject: "Subject", table: "Summary", timings: "Sequence[Timing]") -> dict[str, Any]:
    from zoo.inspection.timing import device

    measured = [{"batch": t.batch, "seconds_per_row": t.seconds_per_row, "calls": t.calls} for t in timings]
    return {
        **table.to_dict(),
        "name": subject.name,
        "length": subject.length,
        "config": subject.config.to_dict() if subject.config else None,
        "timing": {"device": device(), "rows": measured} if measured else None,
    }


def _print_summary(subject: "Subject", table: "Summary") -> None:
    from zoo.inspection.words import shape_in_words

    print(subject.name)
    if subject.length is not None:
        print(f"  axes of any length are shown with {subject.length} (--length)")
    rows = [
        [r.name, r.kind, shape_in_words(r.output), _number(r.multiply_adds), _number(r.parameters or None), _spelled(r)]
        for r in table.rows
    ]
    _print_rows(rows, header=["layer", "what it is", "output", "multiply-adds", "parameters", ""], right=[3, 4])
    frozen = table.parameters - table.trainable
    total = f"{table.parameters:,} parameters ({table.trainable:,} trainable, {frozen:,} not), {_bytes(table.size)}"
    cost = f"{table.multiply_adds:,} per example (products alone: no biases, activations, norms, pooling)"
    if table.not_counted:
        cost += f"; not counted: {', '.join(table.not_counted)}"
    _print_rows([["total", total], ["multiply-adds", cost]], indent="")


def _spelled(row: "LayerRow") -> str:
    words = [f"= {row.arithmetic}" if row.arithmetic else ""]
    if row.multiply_adds is None:
        words.append("multiply-adds not counted")
    if row.calls > 1:
        words.append(f"used {row.calls} times")
    return "; ".join(filter(None, words))


def _plot(options: argparse.Namespace) -> int:
    silence_tensorflow()
    from zoo.inspection.drawing import SUFFIXES, draw

    subject = _subject(options, options.length)
    paths = [options.output] if options.output else [Path(subject.name + suffix) for suffix in SUFFIXES]
    existing = [path for path in paths if path.exists()]
    if existing and not options.force:
        raise ConfigError(f"{existing[0]} exists: give --force to overwrite it, or another --output")
    model = subject.model()
    for path in paths:
        draw(model, path, title=subject.name)
        print(f"wrote {path}")
    return 0


def _schema(options: argparse.Namespace) -> int:
    silence_tensorflow()
    from zoo.inspection.schema import find_schema

    text = json.dumps(find_schema(options.name), indent=2)
    if options.output is None:
        print(text)
        return 0
    options.output.write_text(text + "\n", encoding="utf-8")
    print(
        f"wrote {options.output}; name it in the first line of a YAML file: # yaml-language-server: $schema={options.output}"
    )
    return 0


def _print_rows(
    rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), right: Sequence[int] = (), indent: str = "  "
) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = lay_out([header, *rows] if header else rows, width=width, right=right, indent=indent)
    print("\n".join(lines))


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _bytes(size: int) -> str:
    for unit, factor in (("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size:,} bytes ({size / factor:.1f} {unit})"
    return f"{size} bytes"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
