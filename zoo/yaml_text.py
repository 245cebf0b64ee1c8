"""YAML as people write it: safe, and with 1e-3 a number."""

import re
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import ConfigError

_MOST_REPEATED = 100_000
"""Values that aliases may repeat; ten lines of them can stand for more values than there is memory for."""
_EXPONENT = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as a string; people mean a number, as YAML 1.2 does. A key given twice is refused, too."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Make plain data of a document; the signature is PyYAML's."""
        sizes: dict[int, int] = {}
        if _size(node, sizes) - len(sizes) > _MOST_REPEATED:
            raise yaml.constructor.ConstructorError(
                None, None, f"its aliases repeat more than {_MOST_REPEATED} values", node.start_mark
            )
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Make a dict of a mapping; the signature is PyYAML's."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):  # lists and mappings are refused as keys
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes the string '1e3', which the loader would read as a number."""


for _either in (_Loader, _Dumper):
    _either.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789."))


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Return how many values a node stands for, aliases followed.

    Args:
        node: of a document.
        sizes: of the nodes that were seen before, by id; 0 of those that are not finished. Filled.
    """
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise yaml.constructor.ConstructorError(None, None, "an alias holds itself", node.start_mark)
        return sizes[id(node)]
    sizes[id(node)] = 0
    parts = [] if isinstance(node, yaml.ScalarNode) else node.value
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in parts for part in pair]
    sizes[id(node)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(node)]


def parse_yaml(text: str) -> Any:
    """Return the plain data that YAML text stands for. Raises ConfigError where it is not YAML."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"this is not YAML: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a scalar that is not what its tag or form says
        raise ConfigError(f"this is not YAML: a value cannot be read: {error}") from None


def to_yaml(data: Any, **options: Any) -> str:
    """Return YAML that `parse_yaml` reads back into equal data, its keys in order; options are those of `yaml.dump`."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, **options)


def read_text(path: Path) -> str:
    """Return the text of a YAML or JSON file.

    Raises:
        ConfigError: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.object[error.start]:#04x} at {error.start}): is it YAML, "
            "and saved as UTF-8?"
        ) from None
