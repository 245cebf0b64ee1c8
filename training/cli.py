"""`zoo train`, `zoo evaluate` and `zoo export`; `python -m training` is the former."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.signals import StopSignals
from zoo.artifact import find_version

if TYPE_CHECKING:
    from training.cluster.addresses import Cluster
    from training.config import TrainConfig
    from training.run import Run

WORKER_LOST = 75  # EX_TEMPFAIL of sysexits.h: try again

_TRAIN_EPILOG = """\
examples:
  zoo train --list                                   the recipes that come with keras-zoo
  zoo train digits_cnn                               train, evaluate, export a new version to saved_models/digits_cnn
  zoo train digits_cnn --quick                       see in seconds that everything works; exports nothing
  zoo train digits_cnn --set model.filters=[16,32] --set optimizer.learning_rate=1e-3
  zoo train digits_cnn --profile 100                 say where the time of 100 steps goes
  zoo train my_recipe.yaml --strategy mirrored       your own recipe, on every GPU
  zoo train wine_mlp --folds 5                       cross-validation: mean and standard error of every metric
  zoo train digits_cnn --deterministic               two runs give the same bits
  zoo train --from saved_models/digits_cnn           train its newest version on, by its own recipe
  zoo train my_recipe.yaml --from saved_models/digits_cnn/1     fine-tune it: what fits is taken, a new head begins anew
  zoo train digits_cnn --resume                      go on with the newest run of this that is not finished
  zoo train --resume runs/digits_cnn                 the same, with the recipe as it was then
  zoo train digits_cnn --cluster 10.0.0.1:2222,10.0.0.2:2222 --task 0     one of two workers; `zoo launch` starts them all

exit codes:
  0 done, 2 could not be done, 75 another worker was lost (start all again with --resume),
  130 and 143 stopped by Ctrl-C and SIGTERM, after the state was saved
"""
_EVALUATE_EPILOG = """\
examples:
  zoo evaluate runs/digits_cnn                       the newest run of digits_cnn on its test split
  zoo evaluate runs/digits_cnn/20260101T120000Z-1a2b3c4d --split validation
"""
_EXPORT_EPILOG = """\
examples:
  zoo export runs/digits_cnn                         the best weights of the newest run of digits_cnn, once more
  zoo export runs/digits_cnn/20260101T120000Z-1a2b3c4d --to other_models --name digits
  zoo export runs/digits_cnn --variants int8,onnx    smaller, and for others: see docs/artifact.md
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
    parser.add_argument(
        "--deterministic", action="store_true", help="two runs give the same bits, and so does a resumed one; slower"
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="RUN",
        help="go on with this run, or with the newest of this recipe and --runs that is not finished (else start one)",
    )
    parser.add_argument(
        "--from",
        dest="parent",
        metavar="PATH",
        help="begin with the weights of this exported version (a model's folder: its newest); needs no recipe",
    )
    parser.add_argument(
        "--strategy", metavar="KIND", help="default, one_device, mirrored, multi_worker, parameter_server or tpu"
    )
    parser.add_argument(
        "--no-report", action="store_true", help="write no report.html and report.png into the run's folder"
    )
    parser.add_argument(
        "--profile", type=int, metavar="N", help="trace N steps for TensorBoard, and say where their time goes"
    )
    cluster = parser.add_argument_group("several workers (or set TF_CONFIG; docs/distributed.md)")
    cluster.add_argument("--cluster", metavar="HOST:PORT,...", help="the addresses of all workers, the chief's first")
    cluster.add_argument("--task", type=int, metavar="N", help="which of them this one is, counted from 0")
    parser.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="train K times, each time holding out another K-th of all rows, stratified by class; exports nothing",
    )
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


def export_command(parser: argparse.ArgumentParser) -> None:
    """Export a trained run as a new version of a model."""
    parser.description = "Export the best weights of a run, as training does at its end: a new version of the model."
    parser.epilog = _EXPORT_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", metavar="RUN", help="a run's folder, or that of a recipe's runs for the newest")
    parser.add_argument(
        "--to",
        metavar="REPOSITORY",
        help="a folder of models (default: that of the run's recipe, or saved_models where it exports nothing)",
    )
    parser.add_argument("--name", help="of the served model (default: that of the run's recipe)")
    parser.add_argument(
        "--variants",
        metavar="NAME,...",
        type=lambda text: text.split(","),
        help="write these beside the SavedModel as well: int8, int8_full (LiteRT in 8 bits), onnx",
    )
    parser.set_defaults(run=_export)


def _train(arguments: argparse.Namespace) -> int:
    if arguments.list:
        return _list_recipes()
    cluster = _cluster(arguments)
    parent = None if arguments.parent is None else find_version(Path(arguments.parent))
    if arguments.recipe is None and (parent is None or arguments.resume):
        _recipe_of_resumed(arguments)
    from zoo.tensorflow_noise import silence_tensorflow

    silence_tensorflow()
    config = _config(arguments, cluster, parent)
    if arguments.folds is not None:
        return _cross_validate(config, arguments)
    return _train_once(config, arguments, cluster)


def _train_once(config: "TrainConfig", arguments: argparse.Namespace, cluster: "Cluster | None") -> int:
    from rich.console import Console

    from training.cluster.again import how_to_go_on
    from training.cluster.leaving import FAILED_PATIENCE_SECONDS, leave_in_order
    from training.cluster.lost import WorkerLostError
    from training.cluster.multi_worker import joined_cluster
    from training.experiment import TrainingInterrupted, train
    from training.profile import Profile
    from training.progress import ProgressView
    from zoo.cli import MISUSED
    from zoo.errors import ZooError

    chief = cluster is None or cluster.is_chief
    profile = Profile(arguments.profile) if arguments.profile is not None else None
    code = 0
    with StopSignals(lambda text: print(f"\n{text}", file=sys.stderr) if chief else None) as signals:
        try:
            run = train(
                config,
                callbacks=[ProgressView(Console()), *([profile] if profile else [])],
                runs=arguments.runs,
                resume=arguments.resume,
                should_stop=signals,
                cluster=cluster,
                report=not arguments.no_report,
            )
            if chief:
                _summarise(run)
                if profile and profile.spent:
                    print(f"\n{profile.spent.table()}", end="")
            leave_in_order()
        except TrainingInterrupted as interrupted:
            if chief:
                command = f"zoo train --resume {interrupted.folder}"
                how = how_to_go_on() if cluster else f"go on with: {command}"
                print(f"\n{interrupted}; {how}", file=sys.stderr)
            leave_in_order()
            code = signals.exit_code
        except KeyboardInterrupt:
            code = signals.exit_code
        except WorkerLostError as error:
            print(f"zoo: error: {error}", file=sys.stderr)
            code = WORKER_LOST
        except ZooError as error:
            if joined_cluster() is None:
                raise
            print(f"zoo: error: {error}", file=sys.stderr)
            leave_in_order(seconds=FAILED_PATIENCE_SECONDS)
            code = MISUSED
    if cluster is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # at its end, TensorFlow would wait for workers that are gone, and complain
    return code


def _cross_validate(config: "TrainConfig", arguments: argparse.Namespace) -> int:
    from training.cross_validation import cross_validate
    from zoo.errors import ConfigError

    if arguments.repository is not None:
        raise ConfigError("--folds exports nothing, since no fold's model has seen all rows: leave --repository out")
    if arguments.resume:
        raise ConfigError("--folds starts every fold anew: leave --resume out")

    def tell(number: int, metrics: "Mapping[str, float]") -> None:
        values = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        print(f"fold {number} of {arguments.folds}  {values}", flush=True)

    found = cross_validate(config, arguments.folds, runs=arguments.runs, tell=tell)
    print(f"\n{found.name} on {found.data}, {found.rows} rows, each held out once\n\n{found.table()}\n")
    print(f"saved      {found.folder}")
    return 0


def _cluster(arguments: argparse.Namespace) -> "Cluster | None":
    from training.cluster.addresses import Cluster
    from zoo.errors import ConfigError

    if arguments.cluster is not None:
        return Cluster.from_flags(arguments.cluster, arguments.task)
    if arguments.task is not None:
        raise ConfigError(
            "--task says which of the workers of --cluster this is: give --cluster host:port,host:port too"
        )
    return Cluster.from_environment()


def _recipe_of_resumed(arguments: argparse.Namespace) -> None:
    """Find the recipe where the command line has none: that of the run to go on with."""
    from training.recipe import list_recipes
    from training.run import Run
    from training.run_log import CONFIG
    from zoo.errors import ConfigError

    if not isinstance(arguments.resume, str):
        raise ConfigError("which recipe? name one, or see `zoo train --list`")
    if arguments.resume in list_recipes() and not Path(arguments.resume).exists():  # `--resume digits_cnn`
        arguments.recipe, arguments.resume = arguments.resume, True
        return
    folder = Run.load(arguments.resume).folder
    arguments.recipe, arguments.resume = str(folder / CONFIG), str(folder)


def _config(arguments: argparse.Namespace, cluster: "Cluster | None", parent: Path | None) -> "TrainConfig":
    from training.config import StrategyConfig, quick
    from training.recipe import load_recipe, recipe_of_version

    # First, for it is a whole section, which `--set strategy.replicas=3` then has a field of.
    overrides = [] if arguments.strategy is None else [f"strategy={arguments.strategy}"]
    overrides += arguments.overrides
    if arguments.seed is not None:
        overrides.append(f"seed={arguments.seed}")
    if arguments.deterministic:
        overrides.append("train.deterministic=true")
    if arguments.repository is not None:
        overrides.append(f"export.repository={json.dumps(arguments.repository)}")
    if arguments.no_export:
        overrides.append("export=null")
    if parent is not None:
        overrides.append(f"parent={json.dumps(str(parent))}")
    if arguments.recipe is None and parent is not None:
        config = recipe_of_version(parent, overrides)
    else:
        config = load_recipe(arguments.recipe, overrides)
    if cluster is not None and config.strategy.kind == "default":
        strategy = {
            "kind": "parameter_server" if cluster.servers else "multi_worker",
            "timeout": config.strategy.timeout,
        }
        config = config.model_copy(update={"strategy": StrategyConfig.parse(strategy)})
    if not arguments.quick:
        return config
    # A model that hardly learnt anything must not become the version that a server picks up, unless asked for.
    return quick(config) if arguments.repository is None else quick(config).model_copy(update={"export": config.export})


def _summarise(run: "Run") -> None:
    for split, metrics in run.metrics.items():
        intervals = run.intervals.get(split, {})
        values = (f"{name} {value:.4f}{_interval(intervals, name)}" for name, value in metrics.items())
        print(f"{split:<10} " + "  ".join(values))
    print(f"best epoch {run.best_epoch} of {len(run.history)}, {run.seconds:.1f} s")
    print(f"run        {run.folder}")
    if (run.folder / "report.html").exists():
        print(f"report     {run.folder / 'report.html'}")
    if run.artifact is None:
        print(f"next       zoo evaluate {run.folder}")
        return
    _tell_of_model(run.artifact)
    print(f"           zoo evaluate {run.folder} --split validation")


def _tell_of_model(artifact: Path) -> None:
    from zoo.artifact import read_passport
    from zoo.uncertainty.words import uncertainty_in_words

    repository = _shown(artifact.parent.parent)
    print(f"model      {_shown(artifact)}")
    passport = read_passport(artifact)
    for output, uncertainty in passport.uncertainty.items():
        print(f"           {output}: {uncertainty_in_words(uncertainty)}")
    if not passport.uncertainty:
        print("           how sure it is was not measured: docs/artifact.md says what can be, and what it takes")
    for name, variant in passport.variants.items():
        apart = f"numbers differ by up to {variant.error:.2g}, {variant.flips:.1%} of classes ({variant.rows} rows)"
        print(f"{name:<10} {variant.file}, {variant.bytes} bytes: {apart}")
    for name, reason in passport.left_out.items():
        print(f"{name:<10} none: {reason}")
    print(f"next       zoo serve{'' if str(repository) == 'saved_models' else f' {repository}'}")


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
    from training.experiment import measure

    found = measure(arguments.folder, arguments.split)
    for name, value in found.metrics.items():
        print(f"{name} {value:.6f}{_interval(found.intervals, name)}")
    return 0


def _interval(intervals: Mapping[str, tuple[float, float]], name: str) -> str:
    from zoo.uncertainty.words import interval_in_words

    return f" {interval_in_words(intervals[name])}" if name in intervals else ""


def _export(arguments: argparse.Namespace) -> int:
    from zoo.tensorflow_noise import silence_tensorflow

    silence_tensorflow()
    from training.run_export import export_run

    artifact = export_run(arguments.folder, repository=arguments.to, name=arguments.name, variants=arguments.variants)
    _tell_of_model(artifact)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m training ...`, which is `zoo train ...`. Returns the exit code."""
    from zoo.cli import main as zoo

    return zoo(["train", *(sys.argv[1:] if arguments is None else arguments)])
