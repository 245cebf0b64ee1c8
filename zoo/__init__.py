"""keras-zoo: pick a Keras architecture by name, train it, export it, serve it.

`import zoo` is quick: Keras is imported when a builder or a config is first used, TensorFlow by the first export.
"""

from typing import TYPE_CHECKING

from zoo.errors import ArtifactError, ConfigError, ExportError, RegistrationError, UnknownNameError, ZooError
from zoo.export import ExportFacts, export
from zoo.lazy import lazy_names
from zoo.passport import Passport, Tolerance
from zoo.verify import verify

if TYPE_CHECKING:
    from zoo.config import HeadConfig, ModelConfig, RegularizationConfig, RescalingConfig
    from zoo.registry import build, list_architectures, list_models, model_fields, register, register_model

__getattr__ = lazy_names(
    __name__,
    {
        "zoo.config": ("HeadConfig", "ModelConfig", "RegularizationConfig", "RescalingConfig"),
        "zoo.registry": ("build", "list_architectures", "list_models", "model_fields", "register", "register_model"),
    },
)

__all__ = [
    "ArtifactError",
    "ConfigError",
    "ExportError",
    "ExportFacts",
    "HeadConfig",
    "ModelConfig",
    "Passport",
    "RegistrationError",
    "RegularizationConfig",
    "RescalingConfig",
    "Tolerance",
    "UnknownNameError",
    "ZooError",
    "build",
    "export",
    "list_architectures",
    "list_models",
    "model_fields",
    "register",
    "register_model",
    "verify",
]
