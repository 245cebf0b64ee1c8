"""What a person chooses: frozen, validated, and the same in Python, YAML and JSON."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NonNegativeFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from zoo.errors import ConfigError, did_you_mean
from zoo.yaml_text import parse_yaml


def _tuple_of_list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Listed = BeforeValidator(_tuple_of_list)
"""Lets a tuple be given as a list, as YAML does; nothing else (a set has no order)."""

Sizes = Annotated[tuple[PositiveInt, ...], Listed]
"""Sizes, each at least 1."""

HeadName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class Config(BaseModel):
    """Base of every config: frozen, strictly typed, unknown fields refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = next((key for key in data if key not in cls.model_fields), None)
            if unknown is not None:
                raise PydanticCustomError(
                    "unknown_field",
                    "unknown field '{field}'; {hint}",
                    {"field": str(unknown), "hint": did_you_mean(str(unknown), cls.model_fields)},
                )
        return data

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Make a config from plain data.

        Raises:
            ConfigError: a field is unknown, missing, or of the wrong type or value; every fault is named.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from None

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Make a config from YAML (JSON is YAML too). Raises ConfigError as `parse` does."""
        data = parse_yaml(text)
        if not isinstance(data, Mapping):
            raise ConfigError(f"expected a mapping of fields, got {type(data).__name__}: {text[:60]!r}")
        return cls.parse(data)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make a config from JSON. Raises ConfigError as `parse` does."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"this is not JSON: {error}") from None
        if not isinstance(data, Mapping):
            raise ConfigError(f"expected an object of fields, got {type(data).__name__}")
        return cls.parse(data)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data (dicts, lists, numbers, strings), every default written out."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """Return JSON that `from_json` reads back into an equal config."""
        return json.dumps(self.to_dict(), indent=2)

    def to_yaml(self) -> str:
        """Return YAML that `from_yaml` reads back into an equal config."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    def content_hash(self) -> str:
        """Return `sha256:<hex>` of what was chosen.

        Equal configs have equal hashes in every process and version. Fields left at their default do not count, so that
        a field added later does not change the hash of a config written before it. (Fields that tell one kind of config
        from another, such as `architecture`, have no default, so they always count.)
        """
        chosen = self.model_dump(mode="json", exclude_defaults=True)
        canonical = json.dumps(chosen, sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _explain(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        text = _sentence(fault)
        lines.append(f"{place}: {text}" if place else text)
    return "; ".join(lines)


def _sentence(fault: ErrorDetails) -> str:
    got, kind = fault["input"], fault["type"]
    if kind in {"unknown_field", "value_error"}:
        return fault["msg"].removeprefix("Value error, ")
    if kind == "missing":
        return "is required"
    arrived = f"got {got!r:.80} ({type(got).__name__})"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
        return f"{arrived}; {did_you_mean(str(got), known)}"
    if kind == "tuple_type":
        return f"expected a list, such as [{got!r:.20}], {arrived}"
    return f"{fault['msg']}, {arrived}"


class HeadConfig(Config):
    """What a model answers: probabilities of classes, or values."""

    kind: Literal["sigmoid", "softmax", "linear"]
    units: PositiveInt = 1

    @model_validator(mode="after")
    def _softmax_needs_classes(self) -> Self:
        if self.kind == "softmax" and self.units < 2:
            raise ValueError(
                f"a softmax over {self.units} unit is always 1: give units >= 2, or kind 'sigmoid' for two classes"
            )
        return self


class RegularizationConfig(Config):
    """What keeps a model from memorising; all of it off by default."""

    l1: NonNegativeFloat = 0.0
    """Penalty per absolute kernel weight, added to the loss."""
    l2: NonNegativeFloat = 0.0
    """Penalty per squared kernel weight, added to the loss."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of features zeroed in training (Srivastava et al., 2014)."""
    batch_norm: bool = False
    """Batch normalization before the activation (Ioffe and Szegedy, 2015), synchronised across replicas."""


class RescalingConfig(Config):
    """`x * scale + offset`, inside the model: pixels 0..255 become 0..1 with scale 1/255."""

    kind: Literal["rescaling"]
    scale: float
    offset: float = 0.0


class ModelConfig(Config):
    """Everything that makes a model; each architecture extends it with fields of its own.

    `ModelConfig.parse({"architecture": "mlp", ...})` gives the config class of that architecture.
    """

    architecture: str
    input_shape: Annotated[Sizes, Field(min_length=1)]
    """Shape of one example, without the batch."""
    activation: str = "relu"
    regularization: RegularizationConfig = RegularizationConfig()
    preprocessing: Annotated[tuple[RescalingConfig, ...], Listed] = ()
    """Steps between what a client sends and what the backbone sees, in order."""
    head: HeadConfig | None = None
    heads: Annotated[dict[HeadName, HeadConfig], Field(min_length=1)] | None = None
    """Several named heads on one backbone, in place of `head`."""

    @model_validator(mode="wrap")
    @classmethod
    def _parse_as_architecture(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if cls is not ModelConfig or not isinstance(data, Mapping):
            return handler(data)
        from zoo.registry import resolve

        config_class, fields = resolve(data)
        return config_class.model_validate(fields)  # type: ignore[return-value]  # a subclass, chosen by name

    @field_validator("activation")
    @classmethod
    def _activation_is_known(cls, name: str) -> str:
        from zoo.activations import check_activation

        check_activation(name)
        return name

    @model_validator(mode="after")
    def _one_kind_of_head(self) -> Self:
        if (self.head is None) == (self.heads is None):
            got = "neither" if self.head is None else "both"
            raise ValueError(f"give either head: {{kind, units}} or heads: {{name: {{kind, units}}, ...}}, got {got}")
        return self

    def named_heads(self) -> dict[str, HeadConfig]:
        """Return the heads by name; a single head has the empty name."""
        return {"": self.head} if self.head is not None else dict(self.heads or {})
