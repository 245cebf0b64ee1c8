"""Models from a ModelServerConfig, TensorFlow Serving's: what a `--model_config_file` or a ReloadConfigRequest says.

Source: tensorflow_serving/config/model_server_config.proto; the errors have the codes and phrases of its server_core.cc.
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from serving.protos import config_pb2 as pb
from serving.repository import ModelEntry, ModelTable, RequestLogging, VersionPolicy
from serving.status import invalid
from serving.text_proto import read_text_file

logger = logging.getLogger(__name__)

PLATFORM = "tensorflow"
_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NO_NAME = re.compile(r"[/\\\x00-\x1f\x7f]|\.\.|^\.?$")
_LONGEST_NAME = 255


def read_model_table(path: str | Path) -> ModelTable | None:
    """Return the models of a `--model_config_file`; None of one that says nothing, not even that there are none.

    Raises:
        StatusError: INVALID_ARGUMENT; it cannot be read, or names models that cannot be served.
    """
    config = read_text_file(path, pb.ModelServerConfig)
    return None if config.WhichOneof("config") is None else to_model_table(config)


def to_model_table(config: pb.ModelServerConfig) -> ModelTable:
    """Return the models that a message names.

    Raises:
        StatusError: INVALID_ARGUMENT; it is no list of models, or a model of it cannot be served as it asks.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported. Only ModelConfigList is currently supported: name the models in "
            "model_config_list; custom_model_config needs code that no public server has",
            field="config",
        )
    models: dict[str, ModelEntry] = {}
    for index, model in enumerate(config.model_config_list.config):
        if model.name in models:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list", field=f"config[{index}]")
        models[model.name] = _to_model(model)
    return ModelTable(tuple(models.values()))


def _to_model(model: pb.ModelConfig) -> ModelEntry:
    check_model_name(model.name)
    _check_platform(model)
    return ModelEntry(
        name=model.name,
        base_path=_to_folder(model.name, model.base_path),
        policy=_to_policy(model.name, model.model_version_policy),
        labels=_to_labels(model.name, model.version_labels),
        request_logging=_to_request_logging(model),
    )


def check_model_name(name: str) -> None:
    """Raise StatusError (INVALID_ARGUMENT) on a name that could be taken for a path, or is none."""
    if _NO_NAME.search(name) or len(name) > _LONGEST_NAME:
        raise invalid(
            f"model name {name[:_LONGEST_NAME]!r}: expected 1 to {_LONGEST_NAME} characters without slashes, '..' or "
            "control characters",
            field="name",
        )


def _check_platform(model: pb.ModelConfig) -> None:
    platform = model.model_platform
    if model.model_type != pb.MODEL_TYPE_UNSPECIFIED:
        logger.warning("model %s: model_type is deprecated, write model_platform: %r", model.name, PLATFORM)
        if platform:
            raise invalid(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform.",
                field="model_type",
            )
        platform = PLATFORM if model.model_type == pb.TENSORFLOW else f"model_type {model.model_type}"
    if not platform:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform. "
            f"For model {model.name}, write model_platform: {PLATFORM!r}",
            field="model_platform",
        )
    if platform != PLATFORM:
        raise invalid(
            f"Model {model.name} requests unsupported platform {platform}; this server has {PLATFORM!r}",
            field="model_platform",
        )


def _to_folder(name: str, base_path: str) -> Path:
    base_path = base_path.removeprefix("file://")
    if remote := _REMOTE.match(base_path):
        raise invalid(
            f"Model {name} has base_path {base_path!r}: this server reads folders of its own machine, not {remote[1]}://. "
            "Mount the bucket or copy it, and give the folder",
            field="base_path",
        )
    if not base_path.startswith("/"):
        raise invalid(
            f"Expected model {name} to have an absolute path or URI; got base_path()={base_path}", field="base_path"
        )
    if "\0" in base_path or ".." in base_path.split("/"):
        raise invalid(
            f"Model {name} has base_path {base_path!r}: give the folder itself, without '..'", field="base_path"
        )
    return Path(base_path)


def _to_policy(name: str, policy: pb.FileSystemStoragePathSourceConfig.ServableVersionPolicy) -> VersionPolicy:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=None)
    if choice != "specific":
        return VersionPolicy(latest=max(policy.latest.num_versions, 1))
    versions = policy.specific.versions
    if not versions:
        raise invalid(
            f"Model {name} has a specific version policy without versions: nothing would be served",
            field="model_version_policy",
        )
    if min(versions) < 0:
        raise invalid(
            f"Model {name} asks for version {min(versions)}: versions count from 0", field="model_version_policy"
        )
    return VersionPolicy(latest=None, specific=frozenset(versions))


def _to_labels(name: str, labels: Mapping[str, int]) -> dict[str, int]:
    if "" in labels:
        raise invalid(f"Model {name} has a version label without a name (key)", field="version_labels")
    return dict(labels)


def _to_request_logging(model: pb.ModelConfig) -> RequestLogging | None:
    if not model.HasField("logging_config"):
        return None
    config = model.logging_config
    rate = config.sampling_config.sampling_rate
    if not 0 <= rate <= 1:
        raise invalid(
            f"Model {model.name} has logging_config with sampling_rate {rate:g}: expected 0 to 1",
            field="logging_config",
        )
    collector = config.log_collector_config
    return RequestLogging(rate, collector.filename_prefix, collector.type)
