"""Something of Keras chosen by name: `relu`, or with arguments {kind: leaky_relu, negative_slope: 0.1}."""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from zoo.config.base import Config
from zoo.errors import shown

_EXACT = 2**53
"""Up to here every whole number is a float of its own."""


class Choice(Config):
    """A name, and the arguments of what it names; written as the name alone where there are none."""

    model_config = ConfigDict(extra="allow")

    kind: str
    """Its name in Keras, or the registered name of your own (`package>name`)."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"kind": data}
        elif not isinstance(data, Mapping | cls):
            raise ValueError(f"expected a name, or a mapping with a kind, got {shown(data)} ({type(data).__name__})")  # noqa: TRY004 - pydantic takes ValueErrors
        if not _has_name(data):
            return data
        arguments = {key: _one_number(key, value) for key, value in data.items() if key != "kind"}
        return {"kind": cls._known_as(data["kind"]), **arguments}

    @classmethod
    def _known_as(cls, name: str) -> str:
        """Return what Keras calls this; by default, as given."""
        return name

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self) if self.arguments else self.kind

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell JSON Schema that a name alone will do."""
        as_mapping = handler(schema)
        return {"anyOf": [{"type": "string"}, as_mapping], "description": cls.__doc__}

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments by name; empty where Keras's defaults are meant."""
        return dict(self.__pydantic_extra__ or {})


def _one_number(name: Any, value: Any) -> Any:
    """Return one of the numbers that are equal: 5 for 5.0, so that equal choices have equal hashes; others as they are."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"argument {name!r}: expected a finite number, got {shown(value)}")
    if number.is_integer() and abs(number) < _EXACT:
        return int(number)
    return number


def _has_name(data: Any) -> bool:
    return isinstance(data, Mapping) and isinstance(data.get("kind"), str)
