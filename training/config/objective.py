"""What is minimised and what is measured."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, SerializerFunctionWrapHandler, model_serializer
from pydantic import model_validator as validator

from zoo.config import Config

LossKind = Literal[
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "quantile",
]
SHORT_NAMES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "pinball": "quantile"}
_TAKES = {
    "binary_crossentropy": {"label_smoothing"},
    "categorical_crossentropy": {"label_smoothing"},
    "sparse_categorical_crossentropy": {"label_smoothing"},
    "huber": {"delta"},
    "quantile": {"quantile"},
}


class LossConfig(Config):
    """A loss by Keras's name; `mse` is short for {kind: mean_squared_error}, `mae` for mean_absolute_error."""

    kind: LossKind
    """Cross-entropies are in nats. Labels of `sparse_categorical_crossentropy` are class numbers, of
    `categorical_crossentropy` a probability for every class."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the label that is spread over all classes (Szegedy et al., 2016), of cross-entropies."""
    delta: PositiveFloat = 1.0
    """Where `huber` goes from squares to a straight line."""
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Which quantile of the target `quantile` learns; 0.5 is the median."""

    @validator(mode="before")
    @classmethod
    def _kind_alone(cls, data: Any) -> Any:
        data = {"kind": data} if isinstance(data, str) else data
        if isinstance(data, dict) and isinstance(data.get("kind"), str):
            return {**data, "kind": SHORT_NAMES.get(data["kind"], data["kind"])}
        return data

    @validator(mode="after")
    def _arguments_of_the_kind(self) -> Self:
        fields = type(self).model_fields
        changed = {name for name in self.model_fields_set - {"kind"} if getattr(self, name) != fields[name].default}
        foreign = sorted(changed - _TAKES.get(self.kind, set()))
        if foreign:
            takes = " and ".join(sorted(_TAKES.get(self.kind, set()))) or "no arguments"
            raise ValueError(f"the loss {self.kind} has no {foreign[0]}; it takes {takes}")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        plain = handler(self)
        takes = _TAKES.get(self.kind, set())
        return {k: v for k, v in plain.items() if k == "kind" or k in takes} if takes & plain.keys() else self.kind


LOSSES_OF_HEAD: dict[str, tuple[LossKind, ...]] = {
    "sigmoid": ("binary_crossentropy",),
    "softmax": ("sparse_categorical_crossentropy", "categorical_crossentropy"),
    "token": ("sparse_categorical_crossentropy",),
    "linear": ("mean_squared_error", "mean_absolute_error", "huber", "quantile"),
}
"""Which losses suit each kind of head; the first is its default."""

MetricName = Literal[
    "accuracy", "top5_accuracy", "perplexity", "precision", "recall", "auc", "mae", "mse", "rmse", "r2"
]

METRICS_OF_HEAD: dict[str, tuple[MetricName, ...]] = {
    "sigmoid": ("accuracy", "precision", "recall", "auc"),
    "softmax": ("accuracy", "top5_accuracy"),
    "token": ("accuracy", "perplexity"),
    "linear": ("mae", "mse", "rmse", "r2"),
}
"""What can be measured of each kind of head."""

DEFAULT_METRICS: dict[str, tuple[MetricName, ...]] = {
    "sigmoid": ("accuracy", "auc"),
    "softmax": ("accuracy",),
    "token": ("accuracy", "perplexity"),
    "linear": ("mae", "rmse"),
}
"""What is measured of each kind of head unless `metrics` says otherwise."""
