"""The paths of the server, and what answers each."""

import re
from collections.abc import Sequence

from serving.http.metrics_api import MetricsApi
from serving.http.model_api import ModelApi
from serving.http.predict_api import PredictApi
from serving.http.route import Route
from serving.wire import METRICS

METRICS_PATHS = ("/metrics", "/monitoring/prometheus/metrics")
"""Prometheus' own default, and that of TensorFlow Serving."""

_MODEL = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"


def tensorflow_serving_routes(predict: PredictApi, models: ModelApi, *, max_bytes: int) -> Sequence[Route]:
    """Return the paths of TensorFlow Serving's REST API."""
    return [
        Route.of("POST /v1/models/{model}:predict", rf"{_MODEL}:predict", predict.predict, max_bytes),
        Route.of("GET /v1/models", r"/v1/models/?", models.nameless),
        Route.of("GET /v1/models/{model}", _MODEL, models.status),
        Route.of("GET /v1/models/{model}/metadata", rf"{_MODEL}/metadata", models.metadata),
    ]


def metrics_routes(metrics: MetricsApi, paths: Sequence[str]) -> Sequence[Route]:
    """Return the paths at which Prometheus looks."""
    return [Route.of(METRICS, re.escape(path), metrics.page) for path in dict.fromkeys(paths)]
