"""`zoo replay`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from serving.arguments import count, tolerance, version
from serving.connecting import TOKEN_HINT, add_connection_arguments, connect

if TYPE_CHECKING:
    from serving.recording.replay import Replayed


def replay_command(parser: argparse.ArgumentParser) -> None:
    """Ask a running server again what --request_log_dir kept, and compare the answers."""
    parser.description = (
        "Send recorded requests (TFRecord files of tensorflow.serving.PredictionLog, of `zoo serve\n"
        "--request_log_dir`, TensorFlow Serving or a model's warm-up file) to a running server, and\n"
        "compare its answers with the recorded ones. Exit code 1 where one differs or fails, 2 where there\n"
        "is nothing to compare, or no server to ask."
    )
    parser.epilog = (
        "examples:\n"
        "  zoo replay logs/*.tfrecord                                 does it still answer the same?\n"
        "  zoo replay logs/*.tfrecord --version 8 --tolerance 1e-3    does version 8 answer as the one before?\n"
        "  zoo replay logs/*.tfrecord --concurrency 32                how fast is it under this load?\n\n"
        f"{TOKEN_HINT}"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recorded requests")
    parser.add_argument("--model", help="ask this model in place of the recorded one")
    parser.add_argument("--version", type=version, help="ask this version (default: the one that answers by itself)")
    parser.add_argument("--concurrency", type=count, default=1, help="calls at a time (default: %(default)s)")
    add_connection_arguments(parser, timeout=30.0)
    parser.add_argument(
        "--tolerance", type=tolerance, default=1e-5, help="how far numbers may be apart (default: %(default)s)"
    )
    parser.set_defaults(run=_replay)


def _replay(args: argparse.Namespace) -> int:
    from serving.recording.replay import Replay
    from serving.status import ServerError

    with connect(args) as client:
        replay = Replay(client, timeout=args.timeout, model=args.model, version=args.version, tolerance=args.tolerance)
        found = replay.run(args.files, concurrency=args.concurrency)
    if not (found.same or found.different or found.failed or found.unanswered):
        raise ServerError(f"there is no recorded request in {', '.join(map(str, args.files))}: nothing was compared")
    _print(found)
    return 1 if found.different or found.failed else 0


def _print(found: "Replayed") -> None:
    import numpy as np

    for example in found.examples:
        print(example)
    print(
        f"{found.same} answered the same, {found.different} otherwise, {found.failed} failed"
        + (f", {found.unanswered} had no recorded answer" if found.unanswered else "")
    )
    if found.seconds:
        median, high, most = (1000 * float(x) for x in np.percentile(found.seconds, [50, 99, 100]))
        print(f"milliseconds: median {median:.2f}, 99th percentile {high:.2f}, longest {most:.2f}")
