"""The composition root of everything HTTP: services and their interceptors become paths that are listened for."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from serving.config import ServerConfig
from serving.held_requests import HeldRequests
from serving.http.application import Application
from serving.http.inference_api import InferenceApi
from serving.http.metrics_api import MetricsApi
from serving.http.model_api import ModelApi
from serving.http.predict_api import PredictApi
from serving.http.route import Route
from serving.http.routes import METRICS_PATHS, inference_routes, metrics_routes, task_routes, tensorflow_serving_routes
from serving.http.task_api import TaskApi
from serving.http.transport import HttpTransport
from serving.interceptors import Interceptor, intercepted
from serving.lanes import Derived
from serving.metrics import CallMetrics, LoadMetrics
from serving.offload import Offload
from serving.predictor import Predictor
from serving.recorder import Recorder
from serving.tls import Tls
from serving.transports.place import Place
from serving.transports.port_flags import HTTP
from serving.transports.transport import Unary, UnaryHandler
from serving.wire import CLASSIFY, GET_MODEL_METADATA, GET_MODEL_STATUS, INFERENCE_SERVICE, REGRESS
from serving.workers.peers import Peers

ANY_PORT = -1


@dataclass(frozen=True)
class Parts:
    """What the server has already, and HTTP uses too."""

    handlers: Mapping[str, UnaryHandler]
    """The methods of gRPC, without interceptors, by path: much of HTTP says the same in other words."""
    predictor: Predictor
    offload: Offload
    held: HeldRequests
    calls: CallMetrics
    loads: LoadMetrics
    recorder: Recorder
    may_use: Callable[[str], bool]
    """Whether who calls may use a model."""
    derived: Callable[[], Mapping[Hashable, Derived]]
    """What the scheduler makes of measured times, by lane."""
    peers: Peers | None = None
    """The other workers, where there are several."""


def assemble(config: ServerConfig, parts: Parts, interceptors: Sequence[Interceptor]) -> HttpTransport:
    """Return what answers over HTTP, the same interceptors around every method as around those of gRPC."""
    routes = [_intercepted(route, interceptors) for route in _routes(config, parts)]
    seconds = config.rest_api_timeout_in_ms / 1000
    application = Application(
        routes, parts.offload, parts.held, seconds=seconds or None, cors=config.rest_api_enable_cors_support
    )
    port = 0 if config.rest_api_port == ANY_PORT else config.rest_api_port
    contexts = config.credentials.contexts("http/1.1") if isinstance(config.credentials, Tls) else None
    place = Place(config.host, port, HTTP, reuse_port=parts.peers is not None)
    return HttpTransport(application, place, contexts=contexts)


def _routes(config: ServerConfig, parts: Parts) -> Sequence[Route]:
    predict = PredictApi(parts.predictor, parts.offload, max_bytes=config.max_message_bytes)
    models = ModelApi(parts.handlers[GET_MODEL_STATUS], parts.handlers[GET_MODEL_METADATA])
    metrics = MetricsApi(parts.calls, parts.loads, parts.recorder, parts.may_use, parts.derived, parts.peers)
    tasks = TaskApi(
        parts.handlers[CLASSIFY], parts.handlers[REGRESS], parts.offload, max_bytes=config.max_message_bytes
    )
    prefix = f"/{INFERENCE_SERVICE}/"
    inference = {path.removeprefix(prefix): found for path, found in parts.handlers.items() if path.startswith(prefix)}
    return [
        *tensorflow_serving_routes(predict, models, max_bytes=config.max_message_bytes),
        *task_routes(tasks, max_bytes=config.max_message_bytes),
        *inference_routes(
            InferenceApi(inference, parts.offload, max_bytes=config.max_message_bytes),
            max_bytes=config.max_message_bytes,
        ),
        *metrics_routes(metrics, (*METRICS_PATHS, config.monitoring.path)),
    ]


def _intercepted(route: Route, interceptors: Sequence[Interceptor]) -> Route:
    (method,) = intercepted([route.method], interceptors)
    assert isinstance(method, Unary)  # noqa: S101 - one goes in, one comes out
    return route.through(method)
