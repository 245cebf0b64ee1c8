"""The paths of the server, and what answers each.

Their names are what interceptors see as a method's path, and metrics and logs as `method`.
"""

import re
from collections.abc import Sequence

from serving.http.inference_api import InferenceApi
from serving.http.metrics_api import MetricsApi
from serving.http.model_api import ModelApi
from serving.http.predict_api import PredictApi
from serving.http.route import Route
from serving.http.task_api import TaskApi
from serving.wire import HTTP_LIVE, HTTP_LOAD, HTTP_PREDICT, HTTP_READY, HTTP_UNLOAD, METRICS

METRICS_PATHS = ("/metrics", "/monitoring/prometheus/metrics")
"""Prometheus' own default, and that of TensorFlow Serving."""

_MODEL = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"

_V2_MODEL = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"
_V2_REPOSITORY = r"/v2/repository/models/(?P<model>[^/]+)"


def tensorflow_serving_routes(predict: PredictApi, models: ModelApi, *, max_bytes: int) -> Sequence[Route]:
    """Return the paths of TensorFlow Serving's REST API."""
    return [
        Route.of(HTTP_PREDICT, rf"{_MODEL}:predict", predict.predict, max_bytes),
        Route.of("GET /v1/models", r"/v1/models/?", models.nameless),
        Route.of("GET /v1/models/{model}", _MODEL, models.status),
        Route.of("GET /v1/models/{model}/metadata", rf"{_MODEL}/metadata", models.metadata),
    ]


def task_routes(tasks: TaskApi, *, max_bytes: int) -> Sequence[Route]:
    """Return the paths of TensorFlow Serving's REST API for examples."""
    return [
        Route.of("POST /v1/models/{model}:classify", rf"{_MODEL}:classify", tasks.classify, max_bytes),
        Route.of("POST /v1/models/{model}:regress", rf"{_MODEL}:regress", tasks.regress, max_bytes),
    ]


def inference_routes(api: InferenceApi, *, max_bytes: int) -> Sequence[Route]:
    """Return the paths of the Open Inference Protocol."""
    return [
        Route.of("POST /v2/models/{model}/infer", rf"{_V2_MODEL}/infer", api.infer, max_bytes),
        Route.of("GET /v2/models/{model}/ready", rf"{_V2_MODEL}/ready", api.model_ready),
        Route.of("GET /v2/models/{model}/config", rf"{_V2_MODEL}/config", api.config),
        Route.of("GET /v2/models/{model}/stats", rf"{_V2_MODEL}/stats", api.statistics),
        Route.of("GET /v2/models/stats", r"/v2/models/stats", api.statistics),
        Route.of("GET /v2/models/{model}", _V2_MODEL, api.model),
        Route.of("GET /v2", r"/v2/?", api.server),
        Route.of(HTTP_LIVE, r"/v2/health/live", api.live),
        Route.of(HTTP_READY, r"/v2/health/ready", api.ready),
        Route.of("POST /v2/repository/index", r"/v2/repository/index", api.index),
        Route.of(HTTP_LOAD, rf"{_V2_REPOSITORY}/load", api.load, is_timed=False),
        Route.of(HTTP_UNLOAD, rf"{_V2_REPOSITORY}/unload", api.unload, is_timed=False),
    ]


def metrics_routes(metrics: MetricsApi, paths: Sequence[str]) -> Sequence[Route]:
    """Return the paths at which Prometheus looks."""
    return [Route.of(METRICS, re.escape(path), metrics.page) for path in dict.fromkeys(paths)]
