"""How a model answers: artifacts behind gRPC, wire-compatible with TensorFlow Serving.

`import serving` is quick; `Server` imports TensorFlow when it loads a model, `Client` never does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.client import CallError, Client
    from serving.config import ServerConfig
    from serving.server import Server
    from serving.status import ServerError

_MODULE_OF = {
    "CallError": "serving.client",
    "Client": "serving.client",
    "Server": "serving.server",
    "ServerConfig": "serving.config",
    "ServerError": "serving.status",
}

__all__ = ["CallError", "Client", "Server", "ServerConfig", "ServerError"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'serving' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
