"""How the learning rate changes over a run."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, SerializerFunctionWrapHandler, model_serializer
from pydantic import model_validator as validator

from zoo.config import Config
from zoo.config.base import Listed

Share = Annotated[float, Field(ge=0, le=1)]
_TAKES = {
    "constant": frozenset[str](),
    "cosine": frozenset({"end"}),
    "polynomial": frozenset({"end", "power"}),
    "exponential": frozenset({"factor"}),
    "step": frozenset({"factor", "epochs"}),
}


class ScheduleConfig(Config):
    """The learning rate over a run, as a share of `learning_rate`; `cosine` is short for {kind: cosine}."""

    kind: Literal["constant", "cosine", "polynomial", "exponential", "step"] = "constant"
    """`cosine` falls in half a wave from 1 to `end` (Loshchilov and Hutter, 2017); `polynomial` as (1 - progress)^power;
    `exponential` by `factor` with every epoch, smoothly; `step` by `factor` at each of `epochs`."""
    end: Share = 0.0
    """What is left at the last step, of `cosine` and `polynomial`."""
    power: PositiveFloat = 1.0
    """Of `polynomial`; 1 is a straight line."""
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    """By which the rate falls, of `exponential` and `step`."""
    epochs: Annotated[tuple[PositiveFloat, ...], Listed] = ()
    """When a `step` comes: after so many epochs, ascending."""
    warmup_epochs: NonNegativeFloat = 0.0
    """The rate rises in a straight line from 0 over so many epochs first, whatever the kind."""

    @validator(mode="before")
    @classmethod
    def _kind_alone(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data

    @validator(mode="after")
    def _arguments_of_the_kind(self) -> Self:
        given = self.model_fields_set - {"kind", "warmup_epochs"}
        changed = {name for name in given if getattr(self, name) != type(self).model_fields[name].default}
        foreign = sorted(changed - _TAKES[self.kind])
        if foreign:
            takes = ", ".join(sorted(_TAKES[self.kind] | {"warmup_epochs"}))
            raise ValueError(f"a {self.kind} schedule has no {foreign[0]}; it takes {takes}")
        if self.kind == "step" and (not self.epochs or list(self.epochs) != sorted(set(self.epochs))):
            raise ValueError(
                f"a step schedule needs the epochs of its steps, ascending, such as [30, 60]; got {list(self.epochs)}"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        plain = handler(self)
        if not isinstance(plain, dict):
            return plain
        kept = {key: value for key, value in plain.items() if key in _TAKES[self.kind] | {"kind", "warmup_epochs"}}
        return self.kind if not (kept.keys() & _TAKES[self.kind]) and not self.warmup_epochs else kept
