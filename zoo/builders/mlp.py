"""Multi-layer perceptron: dense layers, one after the other, with or without shortcuts around them."""

from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Annotated, Literal, Self

import keras
from pydantic import Field, model_validator

from zoo.blocks import activate, hidden_options
from zoo.config import ActivationConfig, Listed, ModelConfig, Sizes
from zoo.registry import register, register_model
from zoo.regularization import skip_by_chance


class MLPConfig(ModelConfig):
    """A multi-layer perceptron. An input of more than one axis is flattened."""

    architecture: Literal["mlp"]
    units: Annotated[Sizes, Field(min_length=1)] = (64, 64)
    """Width of each hidden layer."""
    activations: Annotated[tuple[ActivationConfig, ...], Listed] | None = None
    """What follows each hidden layer, one for each, in place of `activation`."""
    residual: bool = False
    """Whether a layer as wide as the one before it adds to what came in, before activation (He et al., 2016b)."""

    @model_validator(mode="after")
    def _one_activation_per_layer(self) -> Self:
        if self.activations is None:
            return self
        if len(self.activations) != len(self.units):
            raise ValueError(
                f"activations: expected one for each of the {len(self.units)} hidden layers, got {len(self.activations)}; "
                "activation sets one for all"
            )
        if self.activation != type(self).model_fields["activation"].default:
            raise ValueError("give either activation, for all layers, or activations, one for each, got both")
        return self

    @model_validator(mode="after")
    def _some_layer_is_residual(self) -> Self:
        if self.residual and not self.residual_layers():
            raise ValueError(
                f"residual: no two neighbours in units {list(self.units)} are of equal width, so no layer can add to what "
                "came in: repeat a width, or leave residual out"
            )
        return self

    def residual_layers(self) -> tuple[int, ...]:
        """Return the numbers, from 1, of the layers that add to what came in."""
        pairs = enumerate(pairwise(self.units), start=2)
        return tuple(number for number, (before, width) in pairs if self.residual and before == width)

    def regularizers(self) -> AbstractSet[str]:
        """Return that stochastic depth skips residual layers, where there are some."""
        return frozenset({"stochastic_depth"} if self.residual else ())

    def widths(self) -> tuple[int, ...]:
        """Return the width of every hidden layer."""
        return self.units

    def activated(self) -> tuple[tuple[ActivationConfig, int], ...]:
        """Return the activation and the width of every hidden layer."""
        return tuple(zip(self.activations or (self.activation,) * len(self.units), self.units, strict=False))


@register(
    "mlp", MLPConfig, example={"input_shape": (784,), "head": {"kind": "softmax", "units": 10}}, tags=["table", "image"]
)
def mlp_backbone(x: keras.KerasTensor, config: MLPConfig) -> keras.KerasTensor:
    """(N, *input_shape) -> (N, units[-1])."""
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name="flatten")(x)
    residual = config.residual_layers()
    activations = config.activations or (config.activation,) * len(config.units)
    carried = x  # before activation
    for number, (units, activation) in enumerate(zip(config.units, activations, strict=True), start=1):
        name = f"dense_{number}"
        branch = keras.layers.Dense(units, name=name, **hidden_options(config, 2, activation))(x)
        if number in residual:
            place = {"branch": residual.index(number), "branches": len(residual)}
            branch = skip_by_chance(branch, config.regularization, **place, name=f"{name}_depth")
            branch = keras.layers.Add(name=f"{name}_add")([carried, branch])
        carried = branch
        x = activate(carried, config, name, activation)
    return x


register_model("mlp_tiny", architecture="mlp", units=(16, 16))
register_model("mlp_small", architecture="mlp", units=(128, 64))
register_model(
    "mlp_residual_small",
    architecture="mlp",
    tags=["residual"],
    units=(64,) * 5,
    residual=True,
    regularization={"normalization": "batch"},
)
