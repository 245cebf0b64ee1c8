"""What a RepositoryModelLoadRequest may say beside the model's name."""

import json
from collections.abc import Mapping
from typing import Any

from serving.protos import inference_pb2 as pb
from serving.repository import VersionPolicy
from serving.status import Code, StatusError, invalid

_CONFIG = "config"
_FIELD = 'parameters["config"]'
_MOST = 1000
"""Versions that a policy may name."""


def read_policy(parameters: Mapping[str, pb.ModelRepositoryParameter]) -> VersionPolicy | None:
    """Return the version policy that the parameter `config` sets; None where there is none.

    Raises:
        StatusError: UNIMPLEMENTED, something else is to be overridden; INVALID_ARGUMENT, it is no policy.
    """
    for name in parameters:
        if name.startswith("file:"):
            raise _unsupported(name)
        if name != _CONFIG:
            raise invalid(f"unrecognized load parameter '{name[:80]}'.", field=f'parameters["{name[:80]}"]')
    if _CONFIG not in parameters:
        return None
    if parameters[_CONFIG].WhichOneof("parameter_choice") != "string_param":
        raise invalid("load parameter 'config' must be a string: JSON with version_policy", field=_FIELD)
    try:
        config = json.loads(parameters[_CONFIG].string_param)
    except (ValueError, RecursionError):
        raise invalid("load parameter 'config' is not JSON", field=_FIELD) from None
    if not isinstance(config, dict) or set(config) != {"version_policy"}:
        raise _unsupported(_CONFIG)
    return _policy(config["version_policy"])


def _policy(said: Any) -> VersionPolicy:
    choice = next(iter(said.items())) if isinstance(said, dict) and len(said) == 1 else ("", None)
    match choice:
        case ("all", dict()):
            return VersionPolicy(latest=None)
        case ("latest", dict() as latest) if set(latest) <= {"num_versions"}:
            number = latest.get("num_versions", 1)
            if _is_number(number):
                return VersionPolicy(latest=number)
        case ("specific", {"versions": list() as versions}) if 0 < len(versions) <= _MOST:
            if all(map(_is_number, versions)):
                return VersionPolicy(latest=None, specific=frozenset(versions))
    raise invalid(
        'load parameter \'config\': expected {"version_policy": POLICY}, where POLICY is {"specific": {"versions": [3]}}, '
        '{"latest": {"num_versions": 1}} or {"all": {}}',
        field=_FIELD,
    )


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 63


def _unsupported(name: str) -> StatusError:
    return StatusError(
        Code.UNIMPLEMENTED,
        f"load parameter '{name[:80]}' is not supported: this server serves what lies in its repository, as it was "
        "exported; put the model there and load it. 'config' may hold version_policy, and nothing else",
        field=f'parameters["{name[:80]}"]',
    )
