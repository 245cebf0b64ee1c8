"""On what to train."""

from typing import Any, Literal, Self

from pydantic import PositiveFloat
from pydantic import model_validator as validator

from zoo.config import Config
from zoo.config.base import Size

StrategyKind = Literal["default", "one_device", "mirrored", "multi_worker", "tpu", "parameter_server"]


class StrategyConfig(Config):
    """On what to train. `strategy: mirrored` is short for `strategy: {kind: mirrored}`."""

    kind: StrategyKind = "default"
    """`default`: what TensorFlow would use; `mirrored`: all GPUs of this machine; `multi_worker`: several processes, which
    TF_CONFIG or `--cluster` names; `tpu`: a TPU; `parameter_server`: workers that do not wait for each other, and servers
    that hold the model, which TF_CONFIG names."""
    replicas: Size | None = None
    """How many devices `mirrored` uses; null is every GPU, or two logical CPUs where there is none."""
    tpu: str | None = None
    """The name or address of the TPU; null is the one of this machine."""
    timeout: PositiveFloat = 120.0
    """How many seconds the processes of `multi_worker` and `parameter_server` wait for each other at the start, and for a
    TPU's address; also how long `parameter_server` waits for a worker to come back when none is left."""

    @validator(mode="before")
    @classmethod
    def _kind_alone(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data

    @validator(mode="after")
    def _arguments_of_the_kind(self) -> Self:
        if self.replicas is not None and self.kind != "mirrored":
            raise ValueError(f"replicas belongs to kind 'mirrored', not to {self.kind!r}")
        if self.tpu is not None and self.kind != "tpu":
            raise ValueError(f"tpu belongs to kind 'tpu', not to {self.kind!r}")
        return self
