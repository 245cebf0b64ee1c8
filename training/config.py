"""What one experiment is: data, model, optimizer, loop, strategy and export in one frozen config."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, SerializeAsAny, StringConstraints
from pydantic import model_validator as validator

from zoo.config import Config, ModelConfig

QUICK_EPOCHS = 5
QUICK_ROWS = 512

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""Becomes the name of a folder, and of the served model."""


class DataConfig(Config):
    """Which data set to learn from."""

    name: str
    """A data set of ours (`training.datasets`) or any of TensorFlow Datasets that has (input, label) pairs."""
    directory: str | None = None
    """Where TFDS keeps prepared data; None is its own default, `TFDS_DATA_DIR` or ~/tensorflow_datasets."""
    rows: PositiveInt | None = None
    """Use only so many rows of each split."""


class OptimizerConfig(Config):
    """How gradients become steps; names and defaults are those of `keras.optimizers`."""

    name: Literal["sgd", "adam", "adamw", "rmsprop"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    """`cosine` falls from learning_rate to 0 over the run (Loshchilov and Hutter, 2017)."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of `sgd` and `rmsprop`."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled from the gradient (Loshchilov and Hutter, 2019), for every optimizer."""
    clip_norm: PositiveFloat | None = None
    """Scale the gradient of the global batch down to at most this norm, over all weights together."""

    @validator(mode="after")
    def _momentum_has_an_effect(self) -> "OptimizerConfig":
        if self.momentum and self.name not in {"sgd", "rmsprop"}:
            raise ValueError(f"{self.name} has no momentum to set: leave it out, or choose sgd or rmsprop")
        return self


class LoopConfig(Config):
    """How long to train, and in what pieces."""

    epochs: PositiveInt = 10
    batch_size: PositiveInt = 128
    """Rows per step over all replicas together (the global batch)."""
    eval_batch_size: PositiveInt = 512
    steps_per_call: PositiveInt = 32
    """Steps that run inside TensorFlow between two returns to Python."""
    monitor: str = "loss"
    """The validation metric by which the best epoch is chosen."""


class StrategyConfig(Config):
    """On what to train. `strategy: mirrored` is short for `strategy: {kind: mirrored}`."""

    kind: Literal["default", "one_device", "mirrored"] = "default"
    replicas: PositiveInt | None = None
    """How many devices `mirrored` uses; None is every GPU, or two logical CPUs where there is none."""

    @validator(mode="before")
    @classmethod
    def _kind_alone(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data

    @validator(mode="after")
    def _replicas_of_mirrored(self) -> "StrategyConfig":
        if self.replicas is not None and self.kind != "mirrored":
            raise ValueError(f"replicas belongs to kind 'mirrored'; {self.kind!r} has one replica")
        return self


class ExportConfig(Config):
    """Where the trained model goes."""

    repository: str = "saved_models"
    name: Name | None = None
    """The served model's name; None is the recipe's."""


class TrainConfig(Config):
    """One experiment, complete: two equal configs train the same model.

    Example:
        >>> from training import TrainConfig
        >>> config = TrainConfig.parse({
        ...     "name": "digits_mlp",
        ...     "data": {"name": "sklearn_digits"},
        ...     "model": {"architecture": "mlp", "input_shape": [8, 8, 1], "head": {"kind": "softmax", "units": 10}},
        ... })
        >>> config.train.batch_size
        128
    """

    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataConfig
    model: SerializeAsAny[ModelConfig]
    optimizer: OptimizerConfig = OptimizerConfig()
    train: LoopConfig = LoopConfig()
    strategy: StrategyConfig = StrategyConfig()
    export: ExportConfig | None = None
    """None exports nothing."""

    @validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: Any) -> Any:
        """A section that is written but empty (`train:`) means its defaults, `export:` too."""
        if not isinstance(data, Mapping):
            return data
        return {k: {} if v is None and k in {"optimizer", "train", "strategy"} else v for k, v in data.items()}


def quick(config: TrainConfig) -> TrainConfig:
    """Return the experiment shrunk to seconds: few epochs over few rows, to see that everything works; no export."""
    rows = min(config.data.rows or QUICK_ROWS, QUICK_ROWS)
    epochs = min(config.train.epochs, QUICK_EPOCHS)
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"rows": rows}),
            "train": config.train.model_copy(update={"epochs": epochs}),
            "export": None,
        }
    )
