"""How a model answers: artifacts behind gRPC, for clients of TensorFlow Serving and of the Open Inference Protocol.

`import serving` is quick; `Server` imports TensorFlow when it loads a model, `Client` never does.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_names

if TYPE_CHECKING:
    from serving.call_error import CallError
    from serving.client import Client
    from serving.config import ServerConfig
    from serving.server import Server
    from serving.status import ServerError

__getattr__ = lazy_names(
    __name__,
    {
        "serving.call_error": ("CallError",),
        "serving.client": ("Client",),
        "serving.config": ("ServerConfig",),
        "serving.server": ("Server",),
        "serving.status": ("ServerError",),
    },
)

__all__ = ["CallError", "Client", "Server", "ServerConfig", "ServerError"]


def __dir__() -> list[str]:
    return __all__
