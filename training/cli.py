"""`zoo train` and `zoo evaluate`; `python -m training` is the former."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.config import TrainConfig
    from training.run import Run

INTERRUPTED = 130

_TRAIN_EPILOG = """\
examples:
  zoo train --list                                   the recipes that come with keras-zoo
  zoo train digits_cnn                               train, evaluate, export a new version to saved_models/digits_cnn
  zoo train digits_cnn --quick                       see in seconds that everything works; exports nothing
  zoo train digits_cnn --set model.filters=[16,32] --set optimizer.learning_rate=1e-3
  zoo train my_recipe.yaml --strategy mirrored       your own recipe, on every GPU
"""
_EVALUATE_EPILOG = """\
examples:
  zoo evaluate runs/digits_cnn                       the newest run of digits_cnn on its test split
  zoo evaluate runs/digits_cnn/20260101T120000Z-1a2b3c4d --split validation
"""


def train_command(parser: argparse.ArgumentParser) -> None:
    """Train a recipe, evaluate it and export the model."""
    parser.description = "Train a recipe, evaluate it on held-out data and export the model."
    parser.epilog = _TRAIN_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", nargs="?", help="the name of a recipe, or the path of a YAML file")
    parser.add_argument("--list", action="store_true", help="list the recipes and exit")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        dest="overrides",
        help="change a field, such as model.units=[32,32]; may be repeated",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="shrink it to seconds, to see that it works; exports only with --repository",
    )
    parser.add_argument(
        "--runs", default="runs", metavar="DIR", help="where runs keep their logs (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="of weights, row order and dropout")
    parser.add_argument("--strategy", metavar="KIND", help="default, one_device or mirrored")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--repository", metavar="DIR", help="export into this folder of models")
    target.add_argument("--no-export", action="store_true", help="train and evaluate only")
    parser.set_defaults(run=_train)


def evaluate_command(parser: argparse.ArgumentParser) -> None:
    """Measure a trained run on one split of its data."""
    parser.description = "Measure the best weights of a run on one split of its data."
    parser.epilog = _EVALUATE_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", metavar="RUN", help="a run's folder, or that of a recipe's runs for the newest")
    parser.add_argument("--split", default="test", help="which rows (default: %(default)s)")
    parser.set_defaults(run=_evaluate)


def _train(arguments: argparse.Namespace) -> int:
    if arguments.list:
        return _list_recipes()
    if arguments.recipe is None:
        from zoo.errors import ConfigError

        raise ConfigError("which recipe? name one, or see `zoo train --list`")
    from zoo.tensorflow_noise import silence_tensorflow

    silence_tensorflow()
    from rich.console import Console

    from training.experiment import TrainingInterrupted, train
    from training.progress import ProgressView

    config = _config(arguments)
    try:
        run = train(config, callbacks=[ProgressView(Console())], runs=arguments.runs)
    except TrainingInterrupted as interrupted:
        print(f"\n{interrupted}", file=sys.stderr)
        return INTERRUPTED
    _summarise(run)
    return 0


def _config(arguments: argparse.Namespace) -> "TrainConfig":
    from training.config import quick
    from training.recipe import load_recipe

    overrides = list(arguments.overrides)
    if arguments.seed is not None:
        overrides.append(f"seed={arguments.seed}")
    if arguments.strategy is not None:
        overrides.append(f"strategy={arguments.strategy}")
    if arguments.repository is not None:
        overrides.append(f"export.repository={json.dumps(arguments.repository)}")
    if arguments.no_export:
        overrides.append("export=null")
    config = load_recipe(arguments.recipe, overrides)
    if not arguments.quick:
        return config
    # A model that hardly learnt anything must not become the version that a server picks up, unless asked for.
    return quick(config) if arguments.repository is None else quick(config).model_copy(update={"export": config.export})


def _summarise(run: "Run") -> None:
    for split, metrics in run.metrics.items():
        print(f"{split:<10} " + "  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    print(f"best epoch {run.best_epoch} of {len(run.history)}, {run.seconds:.1f} s")
    print(f"run        {run.folder}")
    if run.artifact is None:
        print(f"next       zoo evaluate {run.folder}")
        return
    repository = _shown(run.artifact.parent.parent)
    print(f"model      {_shown(run.artifact)}")
    print(f"next       zoo serve{'' if str(repository) == 'saved_models' else f' {repository}'}")
    print(f"           zoo evaluate {run.folder} --split validation")


def _shown(path: Path) -> Path:
    """Return a path as a person in the current folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _list_recipes() -> int:
    from training.recipe import list_recipes, read_recipe

    names = list_recipes()
    width = max(map(len, names))
    for name in names:
        first = read_recipe(name).splitlines()[0]
        print(f"{name:<{width}}  {first.removeprefix('#').strip() if first.startswith('#') else ''}".rstrip())
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from zoo.tensorflow_noise import silence_tensorflow

    silence_tensorflow()
    from training.experiment import evaluate

    for name, value in evaluate(arguments.folder, arguments.split).items():
        print(f"{name} {value:.6f}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m training ...`, which is `zoo train ...`. Returns the exit code."""
    from zoo.cli import main as zoo

    return zoo(["train", *(sys.argv[1:] if arguments is None else arguments)])
