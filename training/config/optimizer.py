"""How gradients become steps."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat
from pydantic import model_validator as validator

from training.config.schedule import ScheduleConfig
from zoo.config import Config
from zoo.config.base import Renamed
from zoo.errors import UnknownNameError


class OptimizerConfig(Config):
    """Any optimizer of `keras.optimizers` by name, in snake case; other fields are its own arguments, such as `beta_1`."""

    model_config = ConfigDict(extra="allow")

    renamed: ClassVar[Mapping[str, Renamed]] = {"clip_norm": ("global_clipnorm", lambda value: value)}

    name: str = "adam"
    """The class in small letters: `adam`, `adamw`, `sgd`, `rmsprop`, `lion`, `nadam`, `adagrad`, `lamb`, `muon`, ..."""
    learning_rate: PositiveFloat = 1e-3
    schedule: ScheduleConfig = ScheduleConfig()
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled from the gradient (Loshchilov and Hutter, 2019), for every optimizer."""
    clipvalue: PositiveFloat | None = None
    """Cut every number of the gradient of the global batch to -clipvalue..clipvalue."""
    clipnorm: PositiveFloat | None = None
    """Scale the gradient of each weight down to at most this norm."""
    global_clipnorm: PositiveFloat | None = None
    """Scale the whole gradient down to at most this norm, over all weights together."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Momentum of an exponential moving average of the weights, such as 0.999, which is then evaluated and exported."""

    @validator(mode="before")
    @classmethod
    def _no_momentum_is_none(cls, data: Any) -> Any:
        """Leave out a momentum of 0: version 0.1 once wrote it out for every optimizer, into runs and artifacts."""
        if isinstance(data, Mapping) and data.get("momentum") == 0:
            return {name: value for name, value in data.items() if name != "momentum"}
        return data

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the optimizer's own arguments by name."""
        return dict(self.__pydantic_extra__ or {})

    @validator(mode="after")
    def _exists(self) -> Self:
        from training.optimizers import check_optimizer

        try:
            check_optimizer(self)
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
        clips = [name for name in ("clipvalue", "clipnorm", "global_clipnorm") if getattr(self, name) is not None]
        if len(clips) > 1:
            raise ValueError(f"give one of {' and '.join(clips)}: they are ways to do the same")
        return self
