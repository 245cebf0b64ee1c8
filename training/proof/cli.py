"""`zoo prove`."""

import argparse
import json
from typing import Any

_EPILOG = """\
examples:
  zoo prove digits_cnn --strategy mirrored                  two logical CPUs against one device
  zoo prove digits_cnn --strategy mirrored --replicas 4 --steps 50
  zoo prove my_recipe.yaml --strategy multi_worker --processes 2 --set train.batch_size=60

Both train the same few steps, over rows of the recipe's own data and with an odd last batch where the recipe has one. What
draws random numbers in training (dropout, noise, stochastic depth) is turned off, for replicas draw others than one device
does. How far rounding alone may bring them apart is measured: one device trains once more, its rows counting for 1 give or
take the last bits of a float32, and a difference up to ten times what that changed is taken for rounding. The weights
of a variable are judged by their median difference ("typical"), for rounding moves a few of them far, a fault all of them.

The exit code is 0 where both trained the same, 1 where they did not, 2 where the proof could not be done.
"""
DIFFERENT = 1


def prove_command(parser: argparse.ArgumentParser) -> None:
    """Check that a strategy trains what one device trains, before paying for accelerators."""
    parser.description = (
        "Train a few steps of a recipe on a strategy and on one device, each in processes of its own on the CPUs of this "
        "machine, and compare losses, metrics and weights."
    )
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", help="the name of a recipe, or the path of a YAML file")
    parser.add_argument("--strategy", metavar="KIND", help="mirrored or multi_worker (default: that of the recipe)")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="how many, about (default: %(default)s)")
    parser.add_argument("--replicas", type=int, metavar="R", help="of mirrored (default: 2)")
    parser.add_argument("--processes", type=int, default=2, metavar="P", help="of multi_worker (default: %(default)s)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        dest="overrides",
        help="change a field, such as optimizer.clipnorm=1; may be repeated",
    )
    parser.add_argument("--all", action="store_true", help="show every variable, not only those furthest off")
    parser.add_argument("--json", action="store_true", help="print every difference as JSON")
    parser.set_defaults(run=_prove)


def _prove(arguments: argparse.Namespace) -> int:
    from zoo.tensorflow_noise import silence_tensorflow

    silence_tensorflow()
    from training.config import StrategyConfig
    from training.recipe import load_recipe
    from zoo.errors import ConfigError

    config = load_recipe(arguments.recipe, arguments.overrides)
    chosen: dict[str, Any] = {"kind": arguments.strategy or config.strategy.kind}
    if arguments.replicas is not None:
        chosen["replicas"] = arguments.replicas
    try:
        strategy = StrategyConfig.parse(chosen)
    except ConfigError as error:
        raise ConfigError(f"--strategy: {error}") from None
    from training.proof.proof import prove

    proof = prove(config, strategy, steps=arguments.steps, processes=arguments.processes)
    if arguments.json:
        differences = [{**vars(difference), "ok": difference.ok} for difference in proof.comparison.all]
        print(json.dumps({"ok": proof.ok, "steps": proof.steps, "notes": proof.notes, "differences": differences}))
    else:
        from rich.console import Console

        from training.proof.table import show

        show(proof, Console(), everything=arguments.all)
    return 0 if proof.ok else DIFFERENT
