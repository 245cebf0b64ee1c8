"""The JSON Schema of recipes, for `zoo schema`."""

from typing import Any

from training.config import TrainConfig
from zoo.inspection.schema import config_schema

_MAY_BE_EMPTY = ("optimizer", "train", "strategy")
"""Sections that mean their defaults where they are written and left empty."""


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe."""
    schema = config_schema(TrainConfig)
    kinds = schema["$defs"]["StrategyConfig"]["properties"]["kind"]
    sections = schema["properties"]
    sections["strategy"] = {"anyOf": [{"enum": kinds["enum"]}, sections["strategy"]]}
    for name in _MAY_BE_EMPTY:
        sections[name] = {"anyOf": [*sections[name].pop("anyOf", [sections[name]]), {"type": "null"}]}
    return schema
