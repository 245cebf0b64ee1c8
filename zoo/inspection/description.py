"""Everything there is to know of an architecture or a named size before choosing it."""

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import UnknownNameError, did_you_mean
from zoo.inspection.catalogue import fields_in_words, first_line, value_in_words
from zoo.inspection.fields import Field, fields_of, steps
from zoo.registry import example_config, get, list_architectures, list_models, model_fields, tags_of
from zoo.yaml_text import to_yaml


@dataclass(frozen=True)
class Description:
    """What `zoo show` tells."""

    name: str
    summary: str
    stands_for: str
    """What a named size fills in, as text; empty for an architecture."""
    tags: tuple[str, ...]
    heads: tuple[str, ...]
    """Kinds of head that it can carry, as its example is."""
    fields: tuple[Field, ...]
    steps: Mapping[str, tuple[str, str]]
    """Kinds of preprocessing: their fields, and what they do."""
    example: Mapping[str, Any]
    """What has to be given to have a model: fields of a config, `architecture` included."""

    @property
    def uses(self) -> dict[str, str]:
        """Text to copy, by what it is."""
        fields = {key: value for key, value in self.example.items() if key != "architecture"}
        arguments = "".join(f", {key}={value!r}" for key, value in fields.items())
        return {
            "YAML, the section of a recipe": to_yaml({"model": dict(self.example)}, default_flow_style=None).strip(),
            "Python": f"import zoo\nmodel = zoo.build({json.dumps(self.name)}{arguments})",
            "command line": f"zoo summary {self.name}\nzoo plot {self.name}\n"
            f"zoo summary {self.name} '{self._changeable()}'",
        }

    def _changeable(self) -> str:
        """Return an override that shows how, of a field that it has alone."""
        own = next((field for field in self.fields if not field.required), self.fields[0])
        return f"{own.path}={value_in_words(own.default)}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**dataclasses.asdict(self), "uses": self.uses}


def describe(name: str) -> Description:
    """Return what there is to know.

    Raises:
        UnknownNameError: there is no such architecture or named size.
    """
    sizes = list_models()
    known = [*list_architectures(), *sizes]
    if name not in known:
        name = _present_name(name, known)
    filled = model_fields(name) if name in sizes else {}
    family = filled.get("architecture", name)
    return Description(
        name=name,
        summary=first_line(get(family).config),
        stands_for=f"{family} {fields_in_words(filled)}" if filled else "",
        tags=tags_of(name),
        heads=example_config(name).head_kinds(),
        fields=tuple(fields_of(name)),
        steps=steps(),
        example=_example(name, filled),
    )


def _present_name(name: str, known: list[str]) -> str:
    """Return what a former name is now."""
    with contextlib.suppress(UnknownNameError):
        return get(name).name
    with contextlib.suppress(UnknownNameError):
        fields = model_fields(name)
        return next(size for size in list_models() if model_fields(size) == fields)
    raise UnknownNameError(f"there is no architecture or named size {name!r}; {did_you_mean(name, known)}")


def _example(name: str, filled: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the example that neither a default nor the name says."""
    given = example_config(name).model_dump(mode="json", exclude_defaults=True)
    said = json.loads(json.dumps(filled))
    chosen = {key: value for key, value in given.items() if said.get(key, ...) != value}
    return {"architecture": name, **{key: value for key, value in chosen.items() if key != "architecture"}}
