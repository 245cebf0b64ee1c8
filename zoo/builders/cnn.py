"""Convolutional network for images and series: stages of convolutions or residual blocks, each of which may halve."""

from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal, Self

import keras
from pydantic import BeforeValidator, Field, model_validator

from zoo.blocks import dense
from zoo.builders.convolution import (
    Convolution,
    activate_maps,
    add_residual,
    convolve,
    pool,
    pool_globally,
)
from zoo.builders.geometry import Stage, check_geometry
from zoo.config import ModelConfig, Size, Sizes
from zoo.registry import register, register_model


def _one_as_list(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


PerStage = Annotated[
    tuple[Size, ...],
    Field(min_length=1),
    BeforeValidator(_one_as_list, json_schema_input_type=Size | list[Size]),
]
"""A number for every stage, or one for all of them."""


class CNNConfig(ModelConfig):
    """A convolutional network over images (height, width, channels) or series (steps, channels)."""

    architecture: Literal["cnn"]
    filters: Annotated[Sizes, Field(min_length=1)] = (32, 64)
    """Channels of each stage."""
    blocks: PerStage = (1,)
    """How many convolutions, or residual blocks of two, each stage has; one number for all or one for each."""
    block: Literal["plain", "residual"] = "plain"
    """`plain`: a convolution and its activation; `residual`: two, added to what came in (He et al., 2016b), after a first
    convolution that gives the channels of the first stage."""
    convolution: Convolution = "ordinary"
    """`separable`: every convolution but the first is one per channel, then one of size 1 over all (Chollet, 2017)."""
    kernel_size: PerStage = (3,)
    """Height and width, or steps, of convolutions; one number for all stages or one for each. Zeros around keep the size."""
    strides: PerStage = (1,)
    """Step of the first convolution of each stage; one number for all or one for each."""
    pooling: Literal["max", "average", "none"] = "max"
    """How a stage halves the image or series at its end."""
    global_pooling: Literal["average", "max", "flatten"] = "average"
    """How what is left of the image or series becomes features."""
    units: Sizes = ()
    """Widths of dense layers before the head."""

    def free_axes(self) -> AbstractSet[int]:
        """Return that there may be any number of steps of a series, unless they are flattened."""
        is_series = len(self.backbone_shape()) == 2
        return frozenset({0} if is_series and self.global_pooling != "flatten" else ())

    def _where_free(self) -> str:
        return "for the steps of a series (steps, channels) only, with global_pooling average or max"

    @model_validator(mode="after")
    def _a_number_per_stage(self) -> Self:
        for name in ("blocks", "kernel_size", "strides"):
            given = getattr(self, name)
            if len(given) not in {1, len(self.filters)}:
                raise ValueError(
                    f"{name}: expected one number, or one for each of the {len(self.filters)} stages in filters, got "
                    f"{list(given)}"
                )
        return self

    @model_validator(mode="after")
    def _strides_leave_nothing_out(self) -> Self:
        for strides, kernel_size in zip(self.stage_strides(), self.stage_kernels(), strict=True):
            if strides > kernel_size:
                raise ValueError(
                    f"strides: {strides} steps over pixels that no kernel of size {kernel_size} sees: give strides "
                    f"<= {kernel_size}, or a larger kernel_size"
                )
        return self

    @model_validator(mode="after")
    def _initializer_fills_kernels(self) -> Self:
        if self.kernel_initializer is not None and self.kernel_initializer.kind == "identity":
            raise ValueError(
                "kernel_initializer: 'identity' fills matrices, not the kernels of convolutions: choose another"
            )
        return self

    @model_validator(mode="after")
    def _input_is_large_enough(self) -> Self:
        shape = self.backbone_shape()
        if len(shape) not in {2, 3}:
            raise ValueError(
                "input_shape of a cnn is (height, width, channels) or, of a series, (steps, channels), got "
                f"{shape}; a grey image has 1 channel"
            )
        sides = [side for side in shape[:-1] if side is not None]
        if sides:
            check_geometry(min(sides), "series" if len(shape) == 2 else "image", self._stages())
        return self

    def _stages(self) -> list[Stage]:
        per_block = 1 if self.block == "plain" else 2
        numbers = zip(self.stage_kernels(), self.stage_strides(), self.stage_blocks(), strict=True)
        pools = self.pooling != "none"
        return [Stage(kernel_size, strides, blocks * per_block, pools) for kernel_size, strides, blocks in numbers]

    def stage_blocks(self) -> tuple[int, ...]:
        """Return how many blocks each stage has."""
        return self._per_stage(self.blocks)

    def stage_kernels(self) -> tuple[int, ...]:
        """Return the kernel size of each stage."""
        return self._per_stage(self.kernel_size)

    def stage_strides(self) -> tuple[int, ...]:
        """Return the strides of the first convolution of each stage."""
        return self._per_stage(self.strides)

    def _per_stage(self, given: tuple[int, ...]) -> tuple[int, ...]:
        return given * len(self.filters) if len(given) == 1 else given

    def regularizers(self) -> AbstractSet[str]:
        """Return that there are feature maps, and residual branches where the blocks are residual."""
        return frozenset({"spatial_dropout", *(["stochastic_depth"] if self.block == "residual" else [])})

    def widths(self) -> tuple[int, ...]:
        """Return the channels of every stage and the width of every dense layer."""
        return (*self.filters, *self.units)


@register(
    "cnn",
    CNNConfig,
    example={"input_shape": (28, 28, 1), "head": {"kind": "softmax", "units": 10}},
    tags=["image", "series"],
)
def cnn_backbone(x: keras.KerasTensor, config: CNNConfig) -> keras.KerasTensor:
    """(N, height, width, channels) or (N, steps, channels) -> (N, features)."""
    x = _residual_stages(x, config) if config.block == "residual" else _plain_stages(x, config)
    x = pool_globally(x, config.global_pooling, "global_pooling")
    for number, units in enumerate(config.units, start=1):
        x = dense(x, units, config, f"dense_{number}")
    return x


def _plain_stages(x: keras.KerasTensor, config: CNNConfig) -> keras.KerasTensor:
    kind: Convolution = "ordinary"  # from one channel, a separable one would give multiples of a single map
    stages = zip(config.filters, config.stage_blocks(), config.stage_kernels(), config.stage_strides(), strict=True)
    for stage, (filters, blocks, kernel_size, strides) in enumerate(stages, start=1):
        for block in range(1, blocks + 1):
            name = f"conv_{stage}" if block == 1 else f"conv_{stage}_{block}"
            step = strides if block == 1 else 1
            x = convolve(x, filters, config, name, kernel_size=kernel_size, strides=step, kind=kind)
            x = activate_maps(x, config, name)
            kind = config.convolution
        x = pool(x, config.pooling, f"pool_{stage}")
    return x


def _residual_stages(x: keras.KerasTensor, config: CNNConfig) -> keras.KerasTensor:
    name, branch, branches = "stem", 0, sum(config.stage_blocks())
    x = convolve(x, config.filters[0], config, name, kernel_size=config.stage_kernels()[0])
    stages = zip(config.filters, config.stage_blocks(), config.stage_kernels(), config.stage_strides(), strict=True)
    for stage, (filters, blocks, kernel_size, strides) in enumerate(stages, start=1):
        for block in range(1, blocks + 1):
            before, name = name, f"block_{stage}_{block}"
            x = add_residual(
                x,
                filters,
                config,
                name,
                before=before,
                kernel_size=kernel_size,
                strides=strides if block == 1 else 1,
                kind=config.convolution,
                branch=branch,
                branches=branches,
            )
            branch += 1
        x = pool(x, config.pooling, f"pool_{stage}")
    return activate_maps(x, config, name)


register_model("cnn_tiny", architecture="cnn", filters=(16, 32))
register_model("cnn_small", architecture="cnn", filters=(32, 64), units=(64,))
register_model(
    "cnn1d_small",
    architecture="cnn",
    tags=["audio"],
    example={"input_shape": (None, 8)},
    filters=(32, 64, 128),
    kernel_size=5,
    regularization={"normalization": "batch"},
)
register_model(
    "cnn_separable_small",
    architecture="cnn",
    tags=["mobile"],
    filters=(32, 64, 128),
    blocks=(1, 2, 2),
    convolution="separable",
    strides=(1, 2, 2),
    pooling="none",
    regularization={"normalization": "batch"},
)
for _name, _blocks in {"resnet_tiny": 1, "resnet_small": 3}.items():  # 8 and 20 layers, as of He et al. on CIFAR-10
    register_model(
        _name,
        architecture="cnn",
        tags=["residual"],
        filters=(16, 32, 64),
        block="residual",
        blocks=_blocks,
        strides=(1, 2, 2),
        pooling="none",
        regularization={"normalization": "batch"},
    )
