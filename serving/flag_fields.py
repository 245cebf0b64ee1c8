"""What tensorflow_model_server's flags make of a ServerConfig: files are read, and flags that do nothing warned of."""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.batching_parameters import BatchingParameters
from serving.monitoring_config import MonitoringConfig
from serving.ssl_config import read_credentials
from serving.status import ServerError
from serving.tensorflow_flags import FLAGS, Group

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "default"


def config_fields(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of ServerConfig that the flags set, and warn of flags that do nothing.

    Raises:
        ServerError: flags contradict one another, or one has a value that is none.
        StatusError: a file that one names cannot be read.
    """
    given = {flag.name: getattr(args, flag.name) for flag in FLAGS if hasattr(args, flag.name)}
    fields: dict[str, Any] = {}
    for flag in FLAGS:
        if flag.name in given and flag.field is not None:
            fields[flag.field] = given[flag.name]
        elif flag.name in given and flag.group is Group.NOTHING:
            logger.warning("--%s does nothing here: %s", flag.name, flag.does)
    for read in (_model_fields, _thread_fields, _network_fields, _batching_fields):
        fields.update(read(given))
    return fields


def _model_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    folder, name = given.get("model_base_path"), given.get("model_name")
    if given.get("model_config_file"):
        for flag in ("model_name", "model_base_path"):
            if flag in given:
                logger.warning("--%s is ignored: --model_config_file says what is served", flag)
        return {}
    if folder is None and name is None:
        return {}
    if not folder:
        raise ServerError(
            "--model_name and --model_base_path go together: one model's name, and its folder of versions"
        )
    if "://" in str(folder):
        raise ServerError(
            f"--model_base_path {folder}: this server reads folders of its own machine; mount it or copy it"
        )
    return {"repository": Path(folder), "model_name": name or DEFAULT_MODEL}


def _thread_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "grpc_max_threads" in given:
        fields["threads"] = given["grpc_max_threads"]
    both = given.get("tensorflow_session_parallelism", 0)
    intra, inter = (given.get(f"tensorflow_{each}_op_parallelism", 0) for each in ("intra", "inter"))
    if both and (intra or inter):
        raise ServerError(
            "give either --tensorflow_session_parallelism or --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism: the first sets both of the others"
        )
    if both:
        fields.update(tensorflow_intra_op_parallelism=both, tensorflow_inter_op_parallelism=both)
    return fields


def _network_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if given.get("use_alts_credentials"):  # not passed over like others: the connections would be in clear
        raise ServerError(
            "--use_alts_credentials: ALTS works in Google's cloud only; use --ssl_config_file, or leave it out"
        )
    if arguments := given.get("grpc_channel_arguments"):
        fields["grpc_channel_arguments"] = _channel_arguments(arguments)
    if path := given.get("ssl_config_file"):
        fields["credentials"] = read_credentials(path)
    if path := given.get("monitoring_config_file"):
        fields["monitoring"] = MonitoringConfig.read(path)
    return fields


def _channel_arguments(text: str) -> dict[str, int | str]:
    arguments: dict[str, int | str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise ServerError(f"--grpc_channel_arguments {text!r}: expected name=value,name=value, got {part!r}")
        try:
            arguments[name] = int(value)
        except ValueError:
            arguments[name] = value
    return arguments


def _batching_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    path = given.get("batching_parameters_file")
    if not path:
        return {}
    if not given.get("enable_batching"):
        raise ServerError("--batching_parameters_file is set without setting --enable_batching to true")
    return {"batching_parameters": BatchingParameters.read(path)}
