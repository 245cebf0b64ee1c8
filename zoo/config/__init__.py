"""What a person chooses: frozen, validated, and the same in Python, YAML and JSON."""

from zoo.config.activation import ActivationConfig
from zoo.config.base import Config, Float32, Listed, Size, Sizes
from zoo.config.constraint import ConstraintConfig
from zoo.config.head import HeadConfig
from zoo.config.initializer import InitializerConfig
from zoo.config.model import INPUT_NAME, ModelConfig
from zoo.config.preprocessing import (
    LookupConfig,
    NormalizationConfig,
    PreprocessingConfig,
    RescalingConfig,
    ResizingConfig,
    SpectrogramConfig,
    StepConfig,
    TokensConfig,
)
from zoo.config.regularization import RegularizationConfig
from zoo.config.sequence import SequenceConfig
from zoo.config.spec import Shape, Spec

__all__ = [
    "INPUT_NAME",
    "ActivationConfig",
    "Config",
    "ConstraintConfig",
    "Float32",
    "HeadConfig",
    "InitializerConfig",
    "Listed",
    "LookupConfig",
    "ModelConfig",
    "NormalizationConfig",
    "PreprocessingConfig",
    "RegularizationConfig",
    "RescalingConfig",
    "ResizingConfig",
    "SequenceConfig",
    "Shape",
    "Size",
    "Sizes",
    "Spec",
    "SpectrogramConfig",
    "StepConfig",
    "TokensConfig",
]
