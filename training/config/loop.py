"""How long to train, in what pieces, and what to do when it goes wrong."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat
from pydantic import model_validator as validator

from zoo.config import Config
from zoo.config.base import Listed, Size


class EarlyStoppingConfig(Config):
    """Stop when the monitored metric no longer gets better; `early_stopping: 5` is short for {patience: 5}."""

    patience: Size
    """How many epochs without an improvement are too many."""
    min_delta: NonNegativeFloat = 0.0
    """What counts as an improvement: more than this."""


class RecoveryConfig(Config):
    """What to do when the loss is no longer a number, or blows up: go back to the last checkpoint with a lower rate."""

    tries: Annotated[int, Field(ge=0, le=100)] = 2
    """How often; then the run ends as failed. 0 ends it at once."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What the learning rate is multiplied by each time."""
    blow_up: PositiveFloat | None = 1e4
    """A loss this many times that of the first steps counts as blown up; null: only one that is no number does."""


class LoopConfig(Config):
    """How long to train, and in what pieces."""

    epochs: Size = 10
    batch_size: Size = 128
    """Rows per step over all replicas together (the global batch)."""
    eval_batch_size: Size = 512
    steps_per_call: Size = 32
    """Steps that run inside TensorFlow between two returns to Python."""
    accumulation: Size = 1
    """Into how many pieces a replica cuts its rows; only one is in memory at a time, and their gradients are added up."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """What layers compute in; weights and losses are float32."""
    jit: bool = False
    """Compile forward and backward pass of each replica with XLA: faster for small dense models, slower for convolutions
    on a CPU."""
    drop_remainder: bool = False
    """Leave the last rows of an epoch out where they do not fill a batch (other ones each epoch)."""
    class_weights: Literal["balanced"] | Annotated[tuple[NonNegativeFloat, ...], Listed] | None = None
    """What the rows of each class count for in the loss; `balanced` makes all classes count alike."""
    monitor: str = "loss"
    """The validation metric by which the best epoch is chosen."""
    early_stopping: EarlyStoppingConfig | None = None
    recovery: RecoveryConfig = RecoveryConfig()
    checkpoints: Size = 2
    """How many of the newest checkpoints are kept."""
    checkpoint_seconds: PositiveFloat = 60.0
    """A checkpoint is written after every epoch, and within an epoch whenever the last is this old."""
    deterministic: bool = False
    """Make two runs bit-equal, at some cost in speed: TensorFlow's operations then give the same bits every time."""

    @validator(mode="before")
    @classmethod
    def _patience_alone(cls, data: Any) -> Any:
        if isinstance(data, dict) and type(data.get("early_stopping")) is int:
            return {**data, "early_stopping": {"patience": data["early_stopping"]}}
        return data
