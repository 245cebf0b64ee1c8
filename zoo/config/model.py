"""Everything that makes a model."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from zoo.config.activation import ActivationConfig
from zoo.config.base import Config, Listed, Size
from zoo.config.head import HeadConfig, HeadName
from zoo.config.initializer import MATRICES_ONLY, InitializerConfig
from zoo.config.preprocessing import Preprocessing
from zoo.config.regularization import NEEDS, RegularizationConfig
from zoo.config.spec import Shape, Spec

INPUT_NAME = "inputs"
"""What the input of a model is called."""
DEFAULT_GROUPS = 8
_SUMS_TO_1 = {"softmax", "log_softmax", "sparsemax"}


class ModelConfig(Config):
    """Everything that makes a model; each architecture extends it with fields of its own.

    `ModelConfig.parse({"architecture": "mlp", ...})` gives the config class of that architecture.
    """

    architecture: str
    """Its name in the registry, or that of a named size."""
    input_shape: Annotated[tuple[Size | None, ...], Listed]
    """Shape of one example as a client sends it, without the batch; null is an axis of any length, [] a single value."""
    activation: ActivationConfig = ActivationConfig.model_construct(kind="relu")
    """What follows every hidden layer."""
    kernel_initializer: InitializerConfig | None = None
    """Of kernels; null suits the activation: he_normal for relu and its kind, lecun_normal for selu, else glorot_uniform."""
    bias_initializer: InitializerConfig = InitializerConfig.model_construct(kind="zeros")
    """Of biases; a number is a constant, such as 0.01."""
    use_bias: bool = True
    """Whether linear layers have biases."""
    regularization: RegularizationConfig = RegularizationConfig()
    """What keeps the model from memorising."""
    preprocessing: Preprocessing = ()
    """Steps between what a client sends and what the backbone sees, in order."""
    input_skip: bool = False
    """Whether heads see the preprocessed input too, flattened, beside the features: a linear model and the backbone, learnt
    together (Wide & Deep, Cheng et al., 2016; the autoregressive part of LSTNet, Lai et al., 2018)."""
    head: HeadConfig | None = None
    """What the model answers."""
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

    @model_validator(mode="after")
    def _one_kind_of_head(self) -> Self:
        if (self.head is None) == (self.heads is None):
            got = "neither" if self.head is None else "both"
            raise ValueError(f"give either head: {{kind, units}} or heads: {{name: {{kind, units}}, ...}}, got {got}")
        return self

    @model_validator(mode="after")
    def _biases_can_be_filled(self) -> Self:
        if self.bias_initializer.kind in MATRICES_ONLY:
            raise ValueError(
                f"bias_initializer: {self.bias_initializer.kind!r} fills matrices, and biases are vectors: give a number"
            )
        return self

    @model_validator(mode="after")
    def _shapes_fit(self) -> Self:
        spec = self.backbone_spec()
        for axis, size in enumerate(spec.shape):
            if size is None and axis not in self.free_axes():
                raise ValueError(
                    f"input_shape: axis {axis} of {list(spec.shape)}, which the backbone sees, must have a fixed size: "
                    f"{self.architecture} takes null {self._where_free()}"
                )
        return self

    @model_validator(mode="after")
    def _input_can_skip(self) -> Self:
        if self.input_skip:
            spec = self.backbone_spec()
            if self.gives_sequence():
                fault = f"this {self.architecture} answers for every step of a sequence"
            elif spec.dtype != "float32":
                fault = f"this {self.architecture} takes token ids, which are no quantities"
            elif None in spec.shape:
                fault = f"an input of shape {list(spec.shape)} has no fixed number of values: replace null by a size"
            else:
                return self
            raise ValueError(f"input_skip gives the values of the input to a linear head, but {fault}")
        return self

    @model_validator(mode="after")
    def _heads_fit_features(self) -> Self:
        for name, head in self.named_heads().items():
            if head.kind not in self.head_kinds():
                raise ValueError(
                    f"{f'heads.{name}' if name else 'head'}: a {head.kind} head answers for every step of a sequence, but "
                    f"this {self.architecture} gives one vector of features for each example"
                )
        return self

    @model_validator(mode="after")
    def _regularizers_have_something_to_act_on(self) -> Self:
        for name, needed in NEEDS.items():
            if getattr(self.regularization, name) and name not in self.regularizers():
                raise ValueError(
                    f"regularization.{name} acts on {needed}; this {self.architecture} has none: leave it out"
                )
        return self

    @model_validator(mode="after")
    def _softmax_has_several_units(self) -> Self:
        for activation, width in self.activated():
            if activation.kind in _SUMS_TO_1 and width == 1:
                raise ValueError(
                    f"activation: {activation.kind} over the single unit of a layer is always the same: give the layer "
                    "more units, or another activation"
                )
        return self

    @model_validator(mode="after")
    def _groups_divide_widths(self) -> Self:
        if self.regularization.normalization == "group":
            groups = self.regularization.groups or DEFAULT_GROUPS
            for width in self.widths():
                if width % groups:
                    raise ValueError(
                        f"regularization.groups {groups} does not divide the {width} channels of a layer: choose a divisor"
                    )
        return self

    def _where_free(self) -> str:
        return f"for axis {', '.join(map(str, sorted(self.free_axes())))} only" if self.free_axes() else "nowhere"

    def named_heads(self) -> dict[str, HeadConfig]:
        """Return the heads by name; a single head has the empty name."""
        return {"": self.head} if self.head is not None else dict(self.heads or {})

    def input_specs(self) -> dict[str, Spec]:
        """Return what a client sends, by input name. Most architectures have the one input `inputs`."""
        return {INPUT_NAME: Spec(self.input_shape, self._input_dtype())}

    def backbone_spec(self) -> Spec:
        """Return what the backbone sees of `inputs`, after preprocessing.

        Raises:
            ValueError: a preprocessing step cannot take what comes to it.
        """
        spec = Spec(self.input_shape, self._input_dtype())
        for number, step in enumerate(self.preprocessing):
            try:
                spec = step.output(spec)
            except ValueError as error:
                raise ValueError(f"preprocessing.{number}: {error}") from None
        if spec.dtype != self.backbone_dtype():
            raise ValueError(self._wrong_dtype(spec))
        if not spec.shape:
            raise ValueError(
                "input_shape: at least 1 axis is needed; [] is for text that preprocessing turns into tokens"
            )
        return spec

    def _wrong_dtype(self, spec: Spec) -> str:
        if spec.dtype == "int32":
            return (
                f"preprocessing gives token ids ({spec}), but {self.architecture} expects numbers: "
                "set vocabulary_size where it has one"
            )
        return f"preprocessing gives {spec}, but {self.architecture} expects {self.backbone_dtype()}"

    def _input_dtype(self) -> str:
        return self.preprocessing[0].input_dtype() if self.preprocessing else self.backbone_dtype()

    def backbone_dtype(self) -> str:
        """Return the dtype that the backbone takes: `float32` for numbers, `int32` for token ids."""
        return "float32"

    def free_axes(self) -> AbstractSet[int]:
        """Return the axes of what the backbone sees that may be of any length."""
        return frozenset()

    def gives_sequence(self) -> bool:
        """Tell whether the features are (N, steps, width) rather than (N, width)."""
        return False

    def steps(self) -> int | None:
        """Return how many steps the features of a sequence have; None where they are no sequence, or of any length."""
        return self.backbone_shape()[0] if self.gives_sequence() else None

    def head_kinds(self) -> tuple[str, ...]:
        """Return the kinds of head that the features can carry."""
        return ("sigmoid", "softmax", "linear", *(["token"] if self.gives_sequence() else []))

    def regularizers(self) -> AbstractSet[str]:
        """Return which of the regularizers in `NEEDS` have something to act on."""
        return frozenset()

    def widths(self) -> tuple[int, ...]:
        """Return the number of channels of every layer that is normalized."""
        return ()

    def activated(self) -> tuple[tuple[ActivationConfig, int], ...]:
        """Return every activation of hidden layers, and the number of channels that it is applied to."""
        return tuple((self.activation, width) for width in self.widths())

    def backbone_shape(self) -> Shape:
        """Return the shape that the backbone sees of one example, after preprocessing."""
        return self.backbone_spec().shape
