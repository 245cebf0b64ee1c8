"""tensorflow_model_server's flags on a command line: `--flag=value`; booleans as `--flag`, `--flag=true` or `--flag=false`.

Source: tensorflow/core/util/command_line_flags.cc. Imports nothing that takes time: `zoo` has this for any command.
"""

import argparse
from typing import Any

from serving.tensorflow_flags import FLAGS, Flag, Group, Kind


def add_flags(parser: argparse.ArgumentParser) -> dict[Group, Any]:
    """Add all flags to a parser, in groups; what is not given is not in the namespace. Returns the groups."""
    groups: dict[Group, Any] = {
        group: parser.add_argument_group(group.value) for group in Group if group is not Group.NOTHING
    }
    for flag in FLAGS:
        _add(groups.get(flag.group, parser), flag)
    return groups


def _add(group: Any, flag: Flag) -> None:
    options: dict[str, Any] = {"dest": flag.name, "default": argparse.SUPPRESS}
    text = argparse.SUPPRESS if flag.group is Group.NOTHING else flag.does.replace("%", "%%")
    if flag.kind is not Kind.BOOL:
        metavar = flag.kind.value.upper()
        group.add_argument(f"--{flag.name}", type=_READERS[flag.kind], metavar=metavar, help=text, **options)
        return
    group.add_argument(f"--{flag.name}", action="store_const", const=True, help=text, **options)
    # Spelled out, since argparse has no value that must follow an equals sign: `--flag models/` names a folder.
    for word in ("true", "false"):
        group.add_argument(
            f"--{flag.name}={word}", action="store_const", const=word == "true", help=argparse.SUPPRESS, **options
        )


_READERS = {Kind.INT: int, Kind.FLOAT: float, Kind.TEXT: str, Kind.FILE: str}
