"""What weights are before anything was learnt."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from zoo.config.choice import Choice

_AUTHORS = {"xavier": "glorot", "kaiming": "he"}
"""Other first names of the same people; Keras goes by the last ones of the first and the first ones of the second."""
MATRICES_ONLY = {"identity", "orthogonal"}
"""Initializers that cannot fill a vector of biases."""


class InitializerConfig(Choice):
    """An initializer: any name of `keras.initializers`, a number for a constant, or a registered class of yours.

    Arguments are those of the class: {kind: truncated_normal, stddev: 0.02}. `xavier_` is `glorot_`, `kaiming_` is `he_`.
    """

    @classmethod
    def _known_as(cls, name: str) -> str:
        author, _, distribution = name.partition("_")
        return f"{_AUTHORS[author]}_{distribution}" if distribution and author in _AUTHORS else name

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, data: Any) -> Any:
        if isinstance(data, int | float) and not isinstance(data, bool):
            data = {"kind": "constant", "value": data}
        if isinstance(data, Mapping) and data.get("kind") == "constant" and data.keys() <= {"kind", "value"}:
            value = data.get("value", 0)
            if isinstance(value, int | float) and not isinstance(value, bool) and value == 0:
                return {"kind": "zeros"}
        return data

    @model_validator(mode="after")
    def _exists(self) -> Self:
        from zoo.initializers import check_initializer

        check_initializer(self)
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        if self.kind == "constant" and self.arguments.keys() == {"value"}:
            return self.arguments["value"]
        return handler(self) if self.arguments else self.kind
