"""`zoo serve`, `zoo predict` and `zoo models`."""

import argparse
import json
import sys
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from serving.arguments import seconds, version, version_or_label
from serving.connecting import TOKEN_HINT, add_connection_arguments, connect
from serving.flags import add_flags
from serving.own_flags import add_own_flags, own_fields

if TYPE_CHECKING:
    import numpy as np

    from serving.config import ServerConfig
    from serving.signature import Signature


def serve_command(parser: argparse.ArgumentParser) -> None:
    """Serve models over gRPC, to TensorFlow Serving's clients and ours."""
    parser.description = (
        "Serve every model of a repository (<model>/<version>/saved_model.pb), or those of a\n"
        "--model_config_file, over gRPC, wire-compatible with TensorFlow Serving. New versions and\n"
        "models are picked up while serving. SIGTERM or Ctrl-C drains: running requests finish."
    )
    parser.epilog = (
        "Every flag of tensorflow_model_server is accepted, as --flag=value, and booleans as --flag or\n"
        "--flag=false. Those that do nothing here say why when they are given; docs/serving.md has them all.\n\n"
        "examples:\n"
        "  zoo serve                                           every model under saved_models/, on port 8500\n"
        "  zoo serve runs/models --port 0                      on any free port, which it prints\n"
        "  zoo serve --model_name=digits --model_base_path=/models/digits    as tensorflow_model_server\n"
        "  zoo serve --model_config_file=models.config --model_config_file_poll_wait_seconds=60"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = "%(prog)s [repository] [--flag=value ...]"  # argparse would name them all
    parser.add_argument("repository", nargs="?", type=Path, help="folder of models (default: saved_models)")
    parser.add_argument(
        "--version",
        action="version",
        version=f"keras-zoo {installed_version('keras-zoo')}",
        help="say which version this is",
    )
    parser.add_argument("--log_level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--log_format", default="text", choices=["text", "json"], help="json: a JSON line each")
    parser.add_argument(
        "--grace", type=seconds, default=30.0, metavar="SECONDS",
        help="how long running requests may take to finish at the end (default: %(default)s)",
    )  # fmt: skip
    add_own_flags(add_flags(parser))
    parser.set_defaults(run=_serve)


def _serve(args: argparse.Namespace) -> int:
    from serving.lifetime import drain, load_no_more_then, prepare_tensorflow, until_asked_to_stop, wait_for_stop

    asked_to_stop: SimpleQueue[Any] = SimpleQueue()
    until_asked_to_stop(asked_to_stop)
    from serving.call_log import set_up_logging

    set_up_logging(args.log_level, as_json=args.log_format == "json")
    config = server_config(args)
    if config.workers is not None:
        return _supervise(config, args, asked_to_stop)
    from serving.server import Server

    server = Server(config=config)
    prepare_tensorflow()
    told_to_stop = load_no_more_then(asked_to_stop, server)
    server.start()
    if told_to_stop.empty():
        _announce(config, server.port, server.rest_api_port, server.admin_port)
    wait_for_stop(told_to_stop)
    return drain(server, args.grace)


def _supervise(config: "ServerConfig", args: argparse.Namespace, events: "SimpleQueue[Any]") -> int:
    from serving.workers.supervisor import Supervisor

    flags = {name: value for name, value in vars(args).items() if name not in {"run", "parser"}}
    return Supervisor(
        config,
        flags,
        grace=args.grace,
        events=events,
        serving=lambda ports: _announce(config, ports.port, ports.rest_api_port, ports.admin_port),
    ).run()


def _announce(config: "ServerConfig", port: int, rest_api_port: int, admin_port: int | None) -> None:
    if rest_api_port:
        print(f"HTTP on port {rest_api_port}", flush=True)
    if admin_port is not None:
        print(f"for operators on {config.admin_host}:{admin_port}", flush=True)
    what = config.model_config_file or config.repository
    by = "" if config.workers is None else f" by {config.workers} worker{'' if config.workers == 1 else 's'}"
    print(f"serving {what} on port {port}{by}; Ctrl-C stops", flush=True)


def server_config(args: argparse.Namespace) -> "ServerConfig":
    """Return what the arguments of `zoo serve` say. Raises ServerError or StatusError where they cannot be used."""
    from serving.config import ServerConfig
    from serving.flag_fields import config_fields
    from serving.status import ServerError

    fields = config_fields(args)
    if args.repository is not None:
        if fields.get("model_config_file"):
            raise ServerError("give a repository, or --model_config_file, not both")
        if "repository" in fields:
            raise ServerError("give a repository, or --model_name and --model_base_path, not both")
        fields["repository"] = args.repository
    fields |= own_fields(args)
    for name in fields:
        if name.startswith("request_log_") and "request_log_dir" not in fields:
            raise ServerError(f"--{name} goes with --request_log_dir, without which no request is kept")
    return ServerConfig(**fields)


def predict_command(parser: argparse.ArgumentParser) -> None:
    """Ask a running server for a model's answer to a file."""
    parser.description = "Send the rows of a file to a model of a running server; print the answers, a JSON line a row."
    parser.epilog = (
        "files:\n"
        "  .npy   one array; .npz one array per input\n"
        "  .json  an array as nested lists, or a mapping of them by input name\n"
        "  .png   one image (also .jpg, .bmp); made grey or coloured as the model wants, not resized\n\n"
        f"{TOKEN_HINT}"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", help="the model's name")
    parser.add_argument(
        "--input", required=True, type=Path, metavar="FILE", help="what to send: .npy, .npz, .json or .png"
    )
    parser.add_argument(
        "--version", type=version_or_label, help="a certain version, by its number or its label (default: the newest)"
    )
    parser.add_argument("--signature", default="", help="a certain signature (default: serving_default)")
    add_connection_arguments(parser, timeout=30.0)
    parser.set_defaults(run=_predict)


def _predict(args: argparse.Namespace) -> int:
    from serving.inputs import read_inputs
    from serving.signature import DEFAULT_SIGNATURE

    with connect(args) as client:
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


def models_command(parser: argparse.ArgumentParser) -> None:
    """List a running server's models, and load, unload, promote or roll them back."""
    parser.description = (
        "List the models of a running server and what runs them, or say what it serves. A version that is\n"
        "promoted, or gone back to, takes the place of the one that answers once it is ready; what does\n"
        "not load changes nothing. It stays until the model is loaded again without a version."
    )
    parser.epilog = (
        "examples:\n"
        "  zoo models list\n"
        "  zoo models load digits                  the version that the server's own policy says\n"
        "  zoo models promote digits --to 7        serve version 7; without --to, the newest\n"
        "  zoo models rollback digits              serve the version before the one that answers\n\n"
        f"{TOKEN_HINT}"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("action", choices=["list", "load", "unload", "promote", "rollback"])
    parser.add_argument("model", nargs="?", help="the model's name")
    parser.add_argument("--to", type=version, metavar="VERSION", help="the version to promote (default: the newest)")
    add_connection_arguments(parser, timeout=300.0)
    parser.set_defaults(run=_models)


def _models(args: argparse.Namespace) -> int:
    from serving.remote_control import READY, RemoteControl
    from serving.status import ServerError

    if (args.model is None) != (args.action == "list"):
        raise ServerError(f"zoo models {args.action} takes {'no model' if args.model else 'the name of a model'}")
    if args.to is not None and args.action != "promote":
        raise ServerError("--to goes with promote")
    with connect(args) as client:
        control = RemoteControl(client)
        if args.action == "promote":
            print(f"{args.model}: version {control.promote(args.model, args.to, timeout=args.timeout)} answers")
        elif args.action == "rollback":
            print(f"{args.model}: version {control.rollback(args.model, timeout=args.timeout)} answers")
        elif args.action == "load":
            control.load(args.model, timeout=args.timeout)
        elif args.action == "unload":
            control.unload(args.model, timeout=args.timeout)
        lines = [line for line in control.index(timeout=args.timeout) if args.model in {None, line.model}]
        if not lines:
            print("the server has no model", file=sys.stderr)
        for line in lines:
            version = "-" if line.version is None else line.version
            said = line.reason
            if line.version is not None and line.state == READY and not said:
                said = _in_short(control.engines(line.model, line.version, timeout=args.timeout))
            print(f"{line.model:24} {version!s:>8} {line.state:12} {said}".rstrip())
    return 0


def _in_short(engines: Mapping[str, str]) -> str:
    """Return what runs signatures, once where it is the same for all."""
    if len(set(engines.values())) == 1:
        return next(iter(engines.values()))
    return "; ".join(f"{name}: {words}" for name, words in sorted(engines.items()))
