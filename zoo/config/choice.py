"""Something of Keras chosen by name: `relu`, or with arguments {kind: leaky_relu, negative_slope: 0.1}."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from zoo.config.base import Config


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
            raise ValueError(f"expected a name, or a mapping with a kind, got {data!r:.80} ({type(data).__name__})")  # noqa: TRY004 - pydantic takes ValueErrors
        return {**data, "kind": cls._known_as(data["kind"])} if _has_name(data) else data

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


def _has_name(data: Any) -> bool:
    return isinstance(data, Mapping) and isinstance(data.get("kind"), str)
