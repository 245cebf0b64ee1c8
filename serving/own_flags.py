"""The flags of `zoo serve` that tensorflow_model_server does not have.

Each is named for the field of ServerConfig that it sets. Imports nothing that takes time: `zoo` has this for any command.
"""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.engines.findings import AUTO, ENGINES
from serving.tensorflow_flags import FLAGS, Group

MOST_WORKERS = 256


def add_own_flags(groups: Mapping[Group, Any]) -> None:
    """Add them to the groups of a parser."""
    _add_models(groups[Group.MODELS])
    _add_network(groups[Group.NETWORK])
    _add_loading(groups[Group.LOADING])
    _add_computing(groups[Group.COMPUTING])
    _add_batching(groups[Group.BATCHING])


def own_fields(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of ServerConfig that they set."""
    from serving.config import ServerConfig

    of_others = {flag.name for flag in FLAGS} | {"repository"}
    names = [field.name for field in dataclasses.fields(ServerConfig) if field.name not in of_others]
    return {name: value for name in names if (value := getattr(args, name, None)) is not None}


def _add_models(group: Any) -> None:
    group.add_argument(
        "--versions", help="latest, latest:N, all, or numbers such as 3,5, of a repository's models (default: latest)"
    )
    group.add_argument(
        "--disable_control_rpcs", action="store_true", default=None, help="callers may not say what is served"
    )
    group.add_argument("--request_log_dir", type=Path, metavar="DIR", help="keep samples of requests and answers there")
    group.add_argument(
        "--request_log_rate", type=float, metavar="SHARE", help="the share of calls that is kept (default: 0.01)"
    )
    group.add_argument(
        "--request_log_max_bytes",
        type=int,
        metavar="BYTES",
        help="of a file; then the next one begins (default: 64 MiB)",
    )
    group.add_argument("--request_log_keep", type=int, metavar="COUNT", help="files that stay (default: 8)")
    group.add_argument(
        "--request_log_redact", metavar="NAMES", help="inputs and outputs never to write, separated by commas"
    )


def _add_network(group: Any) -> None:
    group.add_argument(
        "--host",
        default="0.0.0.0",  # noqa: S104 - as TensorFlow Serving does
        help="address to listen on (default: %(default)s, every network; 127.0.0.1 for this machine only)",
    )
    group.add_argument(
        "--admin_port",
        type=int,
        metavar="PORT",
        help="answer calls that say what is served, and reflection, on this port alone",
    )
    group.add_argument(
        "--transport", choices=("asyncio", "grpcio"), help="what speaks gRPC: docs/transport.md (default: asyncio)"
    )
    group.add_argument("--admin_host", metavar="HOST", help="address of that port (default: 127.0.0.1)")
    group.add_argument(
        "--disable_reflection", action="store_true", default=None, help="callers may not ask which methods there are"
    )
    group.add_argument("--access_file", type=Path, metavar="FILE", help="who may use which models: docs/security.md")
    group.add_argument(
        "--opentelemetry", action="store_true", default=None, help="a span for every call: docs/serving.md"
    )


def _add_loading(group: Any) -> None:
    group.add_argument(
        "--gate_requests", type=int, metavar="COUNT",
        help="recent requests of a model that a new version answers before it goes live; 0 for none (default: 32)",
    )  # fmt: skip
    group.add_argument("--gate_max_bytes", type=int, metavar="BYTES", help="of all that are kept (default: 64 MiB)")
    group.add_argument(
        "--gate_max_difference", type=float, metavar="NUMBER",
        help="refuse a version one of whose numbers lies further from the one before (default: any distance)",
    )  # fmt: skip
    group.add_argument(
        "--gate_max_flips", type=float, metavar="SHARE",
        help="refuse a version that gives a larger share of rows another class (default: any share)",
    )  # fmt: skip
    group.add_argument(
        "--load_on_first_use", action="store_true", default=None, help="load a model when it is first asked for"
    )
    group.add_argument(
        "--memory_budget_mb", type=int, metavar="MIB",
        help="memory that loaded models may take in all; each is loaded on first use, and those that were not used for "
             "longest go where there is no room (default: no bound)",
    )  # fmt: skip
    group.add_argument(
        "--isolate_models_over_mb", type=int, default=16, metavar="MIB",
        help="size of a version from which a process of its own runs it, so that its load holds up no other model; 0 for "
             "all, -1 for none (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--engine", default=AUTO, choices=ENGINES,
        help="what runs SavedModels: the fastest of what answers alike (default), or one engine alone: docs/engines.md",
    )  # fmt: skip


def _add_computing(group: Any) -> None:
    group.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="processes that serve on one port, each on its part of the cores; auto: one a core (docs/workers.md)",
    )
    group.add_argument("--threads", type=int, help="requests computed at once (default: the cores, at least 4)")
    group.add_argument(
        "--busy_poll_us", type=int, metavar="US",
        help="microseconds between calls up to which the server stays awake for the next, on several cores; 0 for never "
             "(default: 500)",
    )  # fmt: skip
    group.add_argument("--max_pending", type=int, help="requests that are computed or wait (default: 1000)")
    group.add_argument(
        "--max_pending_per_model", type=int, help="of them for one model (default: three quarters of --max_pending)"
    )
    group.add_argument("--max_batch_rows", type=int, help="largest batch of one request (default: 4096)")
    group.add_argument("--max_message_bytes", type=int, help="largest request (default: 256 MiB)")
    group.add_argument(
        "--max_held_bytes", type=int,
        help="of all requests that were received and not answered (default: 1 GiB, at least twice --max_message_bytes)",
    )  # fmt: skip
    group.add_argument(
        "--allow_unknown_rank", action="store_true", default=None,
        help="serve models that do not tell the rank of an input, though wrong requests may then end the process",
    )  # fmt: skip
    group.add_argument(
        "--nan_inputs", choices=["accept", "refuse"], help="requests with NaN in an input (default: accept)"
    )


def _add_batching(group: Any) -> None:
    group.add_argument(
        "--latency_target_ms", type=float, metavar="MS",
        help="within which requests are to be computed: batches are as large as that allows, and what would be answered "
             "later is refused at once, with the time to try again (default: none)",
    )  # fmt: skip
    group.add_argument(
        "--disable_adaptive_batching", dest="adaptive_batching", action="store_const", const=False,
        help="compute every request alone, where --enable_batching does not say otherwise",
    )  # fmt: skip


def _workers(text: str) -> int:
    if text == "auto":
        from serving.cores import affordable_cores

        return affordable_cores()
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"expected auto, or a number from 1 to {MOST_WORKERS}, got {text!r}")
    return int(text)
