"""`zoo serve` and `zoo predict`."""

import argparse
import importlib.util
import json
import logging
import os
import signal
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    import numpy as np

    from serving.signature import Signature

DEFAULT_PORT = 8500


def serve_command(parser: argparse.ArgumentParser) -> None:
    """Serve models over gRPC, to TensorFlow Serving's clients and ours."""
    parser.description = (
        "Serve every model of a repository (<model>/<version>/saved_model.pb) over gRPC, wire-\n"
        "compatible with TensorFlow Serving. New versions and models are picked up while serving.\n"
        "SIGTERM or Ctrl-C drains: running requests finish."
    )
    parser.epilog = (
        "examples:\n"
        "  zoo serve                                           every model under saved_models/, on port 8500\n"
        "  zoo serve runs/models --port 0                      on any free port, which it prints\n"
        "  zoo serve --model_name=digits --model_base_path=/models/digits    as tensorflow_model_server"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("repository", nargs="?", type=Path, help="folder of models (default: saved_models)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port; 0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--host",
        default="0.0.0.0",  # noqa: S104 - as TensorFlow Serving does
        help="address to listen on (default: %(default)s, every network; 127.0.0.1 for this machine only)",
    )
    parser.add_argument("--model_name", help="serve one model under this name; goes with --model_base_path")
    parser.add_argument("--model_base_path", type=Path, help="the folder of that model's versions")
    parser.add_argument(
        "--versions", default="latest", help="latest, latest:N, all, or numbers such as 3,5 (default: %(default)s)"
    )
    parser.add_argument(
        "--file_system_poll_wait_seconds", type=_seconds, default=1.0, metavar="SECONDS",
        help="how often to look for new versions; 0 for never (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, help="requests computed at once (default: the cores, at least 4)")
    parser.add_argument("--max_batch_rows", type=int, help="largest batch of one request (default: 4096)")
    parser.add_argument("--max_message_bytes", type=int, help="largest request (default: 256 MiB)")
    parser.add_argument(
        "--allow_unknown_rank", action="store_true",
        help="serve models that do not tell the rank of an input, though wrong requests may then end the process",
    )  # fmt: skip
    parser.add_argument(
        "--enable_serialization_as_tensor_content", action="store_true",
        help="answer numbers in tensor_content, which is quicker than *_val, where every client can read that",
    )  # fmt: skip
    parser.add_argument(
        "--enable_signature_method_name_check", action="store_true",
        help="let Classify and Regress call only signatures that were made for them",
    )  # fmt: skip
    parser.add_argument("--saved_model_tags", default="serve", help="tags of the graph to load (default: %(default)s)")
    parser.add_argument(
        "--prefer_tflite_model", action="store_true", help="load model.tflite of a version that has one"
    )
    parser.add_argument(
        "--grace", type=_seconds, default=30.0, metavar="SECONDS",
        help="how long running requests may take to finish at the end (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--log_level", default="info", choices=["debug", "info", "warning", "error"])
    parser.set_defaults(run=_serve)


def _seconds(text: str) -> float:
    """Read a duration from the command line."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return seconds


def _positive_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0, got {text!r}")
    return seconds


def _serve(args: argparse.Namespace) -> int:
    # Reentrant, unlike threading.Event: a signal that comes while the main thread enters `wait` would deadlock in `set`.
    asked_to_stop: SimpleQueue[int] = SimpleQueue()

    def stop(number: int, frame: "FrameType | None") -> None:  # noqa: ARG001 - the shape of a signal handler
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one does not wait
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        asked_to_stop.put(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    from serving.server import Server
    from serving.status import ServerError
    from zoo.tensorflow_noise import silence_tensorflow

    if (args.model_name is None) != (args.model_base_path is None):
        raise ServerError(
            "--model_name and --model_base_path go together: one model's name, and its folder of versions"
        )
    if args.model_base_path is not None and args.repository is not None:
        raise ServerError("give a repository, or --model_name and --model_base_path, not both")
    logging.basicConfig(
        level=args.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    chosen = {name: getattr(args, name) for name in ("threads", "max_batch_rows", "max_message_bytes")}
    server = Server(
        args.model_base_path or args.repository,
        model_name=args.model_name,
        host=args.host,
        port=args.port,
        versions=args.versions,
        poll_seconds=args.file_system_poll_wait_seconds,
        allow_unknown_rank=args.allow_unknown_rank,
        enable_serialization_as_tensor_content=args.enable_serialization_as_tensor_content,
        enable_signature_method_name_check=args.enable_signature_method_name_check,
        saved_model_tags=args.saved_model_tags,
        prefer_tflite_model=args.prefer_tflite_model,
        **{name: value for name, value in chosen.items() if value is not None},
    )
    if not args.prefer_tflite_model or importlib.util.find_spec("ai_edge_litert") is None:
        silence_tensorflow()  # which imports it: a server of LiteRT's files alone takes a tenth of the memory without
    server.start()
    print(f"serving {args.model_base_path or server.config.repository} on port {server.port}; Ctrl-C stops", flush=True)
    asked_to_stop.get()
    logging.getLogger(__name__).info("draining for up to %g s", args.grace)
    if not server.stop(args.grace):
        logging.getLogger(__name__).warning(
            "something was still running after %g s, or a load under way; its callers were told", args.grace
        )
        logging.shutdown()
        os._exit(1)  # a thread that computes cannot be ended otherwise
    return 0


def predict_command(parser: argparse.ArgumentParser) -> None:
    """Ask a running server for a model's answer to a file."""
    parser.description = "Send the rows of a file to a model of a running server; print the answers, a JSON line a row."
    parser.epilog = (
        "files:\n"
        "  .npy   one array; .npz one array per input\n"
        "  .json  an array as nested lists, or a mapping of them by input name\n"
        "  .png   one image (also .jpg, .bmp); made grey or coloured as the model wants, not resized"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", help="the model's name")
    parser.add_argument(
        "--input", required=True, type=Path, metavar="FILE", help="what to send: .npy, .npz, .json or .png"
    )
    parser.add_argument("--target", default=f"localhost:{DEFAULT_PORT}", help="host:port (default: %(default)s)")
    parser.add_argument("--version", type=int, help="a certain version (default: the newest)")
    parser.add_argument("--signature", default="", help="a certain signature (default: serving_default)")
    parser.add_argument(
        "--timeout",
        type=_positive_seconds,
        default=30.0,
        metavar="SECONDS",
        help="give up after (default: %(default)s)",
    )
    parser.set_defaults(run=_predict)


def _predict(args: argparse.Namespace) -> int:
    from serving.client import Client
    from serving.inputs import read_inputs
    from serving.signature import DEFAULT_SIGNATURE

    with Client(args.target) as client:
        known = client.signatures(args.model, timeout=args.timeout, version=args.version)
        inputs = read_inputs(args.input, known, args.signature)
        outputs = client.predict(
            args.model, inputs, timeout=args.timeout, version=args.version, signature=args.signature
        )
    _print_answers(known[args.signature or DEFAULT_SIGNATURE], inputs, outputs)
    return 0


def _print_answers(
    signature: "Signature", inputs: "Mapping[str, np.ndarray]", outputs: "Mapping[str, np.ndarray]"
) -> None:
    """Print a JSON line per row, then one line of the outputs that do not have a row for every row of the input."""
    rows = next((len(inputs[name]) for name, spec in signature.inputs.items() if spec.is_batched), 0)
    by_row = {name: array for name, array in outputs.items() if array.ndim and rows and len(array) == rows}
    for name, spec in signature.outputs.items():
        if spec.shape is not None and not spec.is_batched:  # as long as there are rows by chance
            by_row.pop(name, None)
    for row in range(rows if by_row else 0):
        print(json.dumps({name: _plain(array[row]) for name, array in by_row.items()}))
    whole = {name: _plain(array) for name, array in outputs.items() if name not in by_row}
    if whole:
        print(json.dumps(whole))


def _plain(value: Any) -> Any:
    """Return what JSON has for a value: lists of arrays, text of bytes, [real, imaginary] of complex numbers."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return [value.real, value.imag] if isinstance(value, complex) else value
