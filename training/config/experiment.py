"""One experiment, complete."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, SerializeAsAny
from pydantic import model_validator as validator

from training.config.data import DataConfig, with_kind
from training.config.export import ExportConfig, Name
from training.config.files import FileConfigs
from training.config.loop import LoopConfig
from training.config.objective import LOSSES_OF_HEAD, METRICS_OF_HEAD, LossConfig, MetricName
from training.config.optimizer import OptimizerConfig
from training.config.strategy import StrategyConfig
from zoo.config import Config, ModelConfig
from zoo.config.base import Listed
from zoo.errors import did_you_mean

QUICK_EPOCHS = 5
QUICK_ROWS = 512

Metrics = Annotated[tuple[MetricName, ...], Listed]


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
    data: Annotated[DataConfig | FileConfigs, Field(discriminator="kind")]
    model: SerializeAsAny[ModelConfig]
    loss: LossConfig | dict[str, LossConfig] | None = None
    """What to minimise, or for several heads, by the name of each; null is the cross-entropy of classes and the squared
    error of values."""
    metrics: Metrics | dict[str, Metrics] | None = None
    """What to measure, or for several heads, by the name of each; null is what is usual for the kind of head."""
    optimizer: OptimizerConfig = OptimizerConfig()
    train: LoopConfig = LoopConfig()
    strategy: StrategyConfig = StrategyConfig()
    parent: Annotated[str, Field(min_length=1)] | None = None
    """An exported version whose weights training begins with, where path and shape are the same: its folder, or that of a
    model for the newest. null begins with random ones."""
    export: ExportConfig | None = None
    """None exports nothing."""

    @validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: Any) -> Any:
        """A section that is written but empty (`train:`) means its defaults, `export:` too."""
        if not isinstance(data, Mapping):
            return data
        filled = {k: {} if v is None and k in {"optimizer", "train", "strategy"} else v for k, v in data.items()}
        filled = _for_tpu(filled)
        return {**filled, "data": with_kind(filled["data"])} if "data" in filled else filled

    def losses(self) -> dict[str, LossConfig]:
        """Return the loss of every head, by its name; a model's only head has the empty name."""
        heads = self.model.named_heads()
        chosen = self.loss if isinstance(self.loss, dict) else {} if self.loss is None else {"": self.loss}
        return {head: chosen.get(head) or LossConfig(kind=LOSSES_OF_HEAD[heads[head].kind][0]) for head in heads}

    def measured(self) -> dict[str, tuple[str, ...] | None]:
        """Return the metrics of every head, by its name; None where they are the usual ones."""
        chosen = self.metrics if isinstance(self.metrics, dict) else {} if self.metrics is None else {"": self.metrics}
        return {head: chosen.get(head) for head in self.model.named_heads()}

    @validator(mode="after")
    def _objectives_of_the_heads(self) -> Self:
        heads = self.model.named_heads()
        for field, suits in (("loss", LOSSES_OF_HEAD), ("metrics", METRICS_OF_HEAD)):
            given = getattr(self, field)
            if given is None:
                continue
            if isinstance(given, dict) == ("" in heads):
                wanted = "one for its one head" if "" in heads else f"one for each of {', '.join(heads)}, by name"
                raise ValueError(f"{field}: expected {wanted}")
            for head, chosen in (given if isinstance(given, dict) else {"": given}).items():
                if head not in heads:
                    raise ValueError(f"{field}: the model has no head {head!r}; {did_you_mean(head, heads)}")
                kind = heads[head].kind
                for name in chosen if isinstance(chosen, tuple) else [chosen.kind]:
                    if name not in suits[kind]:
                        raise ValueError(
                            f"{field} {name} does not suit a {kind} head; choose of {', '.join(suits[kind])}"
                        )
        return self


def _for_tpu(data: dict[str, Any]) -> dict[str, Any]:
    """Set what a TPU needs, so that the config says it: batches of one shape, and bfloat16 unless chosen otherwise."""
    strategy, train = data.get("strategy"), data.get("train", {})
    kind = strategy.get("kind") if isinstance(strategy, Mapping) else getattr(strategy, "kind", strategy)
    if kind != "tpu" or not isinstance(train, Mapping):
        return data
    return {**data, "train": {"precision": "mixed_bfloat16", **train, "drop_remainder": True}}


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
