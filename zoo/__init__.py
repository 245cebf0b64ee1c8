"""keras-zoo: pick a Keras architecture by name, train it, export it, serve it.

`import zoo` is quick and brings errors alone, for a server's client pays for it too: Keras is imported when a builder or a
config is first used, TensorFlow by the first export.
"""

from typing import TYPE_CHECKING

from zoo.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    DeprecatedNameWarning,
    ExportError,
    NotAdaptedError,
    RegistrationError,
    StreamError,
    UnknownNameError,
    ZooError,
)
from zoo.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.building import build
    from zoo.config import (
        ActivationConfig,
        ConstraintConfig,
        HeadConfig,
        InitializerConfig,
        LookupConfig,
        ModelConfig,
        NormalizationConfig,
        RegularizationConfig,
        RescalingConfig,
        ResizingConfig,
        SequenceConfig,
        Spec,
        SpectrogramConfig,
        TokensConfig,
    )
    from zoo.exporting import ExportFacts, export
    from zoo.keras_file import load_model
    from zoo.loading import load
    from zoo.passport import Passport, Tolerance
    from zoo.preprocessing import adapt, needs_adapting
    from zoo.registry import (
        example_config,
        list_architectures,
        list_models,
        model_fields,
        register,
        register_model,
        register_renamed,
        tags_of,
    )
    from zoo.verifying import verify

__getattr__ = lazy_names(
    __name__,
    {
        "zoo.config": (
            "ActivationConfig",
            "ConstraintConfig",
            "HeadConfig",
            "InitializerConfig",
            "LookupConfig",
            "ModelConfig",
            "NormalizationConfig",
            "RegularizationConfig",
            "RescalingConfig",
            "ResizingConfig",
            "SequenceConfig",
            "Spec",
            "SpectrogramConfig",
            "TokensConfig",
        ),
        "zoo.exporting": ("ExportFacts", "export"),
        "zoo.keras_file": ("load_model",),
        "zoo.loading": ("load",),
        "zoo.passport": ("Passport", "Tolerance"),
        "zoo.preprocessing": ("adapt", "needs_adapting"),
        "zoo.building": ("build",),
        "zoo.registry": (
            "example_config",
            "list_architectures",
            "list_models",
            "model_fields",
            "register",
            "register_model",
            "register_renamed",
            "tags_of",
        ),
        "zoo.verifying": ("verify",),
    },
)

__all__ = [
    "ActivationConfig",
    "ArtifactError",
    "ConfigError",
    "ConstraintConfig",
    "DataError",
    "DeprecatedNameWarning",
    "ExportError",
    "ExportFacts",
    "HeadConfig",
    "InitializerConfig",
    "LookupConfig",
    "ModelConfig",
    "NormalizationConfig",
    "NotAdaptedError",
    "Passport",
    "RegistrationError",
    "RegularizationConfig",
    "RescalingConfig",
    "ResizingConfig",
    "SequenceConfig",
    "Spec",
    "SpectrogramConfig",
    "StreamError",
    "TokensConfig",
    "Tolerance",
    "UnknownNameError",
    "ZooError",
    "adapt",
    "build",
    "example_config",
    "export",
    "list_architectures",
    "list_models",
    "load",
    "load_model",
    "model_fields",
    "needs_adapting",
    "register",
    "register_model",
    "register_renamed",
    "tags_of",
    "verify",
]


def __dir__() -> list[str]:
    return __all__
