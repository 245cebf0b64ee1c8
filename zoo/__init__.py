"""keras-zoo: pick a Keras architecture by name, train it, export it, serve it.

`import zoo` is quick: Keras is imported when a builder or a config is first used, TensorFlow by the first export.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo.errors import ArtifactError, ConfigError, ExportError, RegistrationError, UnknownNameError, ZooError
from zoo.export import ExportFacts, export
from zoo.passport import Passport, Tolerance
from zoo.verify import verify

if TYPE_CHECKING:
    from zoo.config import HeadConfig, ModelConfig, RegularizationConfig, RescalingConfig
    from zoo.registry import build, list_architectures, list_models, model_fields, register, register_model

_HOME = {
    "zoo.config": ("HeadConfig", "ModelConfig", "RegularizationConfig", "RescalingConfig"),
    "zoo.registry": ("build", "list_architectures", "list_models", "model_fields", "register", "register_model"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

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


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
