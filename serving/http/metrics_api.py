"""`/metrics`: what is counted, as Prometheus reads it, under names of ours and under those of TensorFlow Serving."""

import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import TypeVar

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from serving.http.call import HttpCall
from serving.http.shared_metrics import SharedMetrics
from serving.lanes import Derived
from serving.manager import State
from serving.metrics import OTHERS, CallMetrics, Histogram, LoadMetrics
from serving.recorder import Recorder
from serving.transports.transport import Call
from serving.wire import METRICS
from serving.workers.peers import Peers

_APIS = {
    "/tensorflow.serving.PredictionService/Predict": ("Predict", "GRPC"),
    "/tensorflow.serving.PredictionService/Classify": ("Classify", "GRPC"),
    "/tensorflow.serving.PredictionService/Regress": ("Regress", "GRPC"),
    "/tensorflow.serving.PredictionService/MultiInference": ("MultiInference", "GRPC"),
    "POST /v1/models/{model}:predict": ("Predict", "REST"),
    "POST /v1/models/{model}:classify": ("Classify", "REST"),
    "POST /v1/models/{model}:regress": ("Regress", "REST"),
}
_MICROSECONDS = 1e6

T = TypeVar("T")


class MetricsApi:
    """Answers scrapes. Lives in the event loop, whose numbers it shows."""

    def __init__(
        self,
        calls: CallMetrics,
        loads: LoadMetrics,
        recorder: Recorder,
        may_use: Callable[[str], bool],
        derived: Callable[[], Mapping[Hashable, Derived]],
        peers: Peers | None = None,
    ) -> None:
        """Show what was counted, of the models that who calls may use; with `peers`, by all of them."""
        self._may_use = may_use
        self._peers = peers
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collected(calls, loads, recorder, derived))
        if peers is not None:
            self._registry.register(_OfWorker(peers.worker, calls))
            peers.offer(METRICS, self._own_page)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    async def page(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002 - every handler takes both
        """Write all metrics, in the format that the client prefers."""
        encode, call.content_type = choose_encoder(call.header("accept"))
        if self._peers is None:
            return encode(_Told(self._registry, self._may_use))
        pages = await self._peers.gather(METRICS)
        return encode(_Told(SharedMetrics(pages.values()), self._may_use))

    async def _own_page(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        return generate_latest(self._registry)


class _OfWorker(Collector):
    """What tells workers apart: connections are divided among them, not calls."""

    def __init__(self, worker: int, calls: CallMetrics) -> None:
        self._worker = str(worker)
        self._calls = calls

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        process = GaugeMetricFamily("zoo_worker_info", "The processes that answer.", labels=("worker", "pid"))
        process.add_metric((self._worker, str(os.getpid())), 1.0)
        yield process
        total = sum(self._calls.calls.values())
        yield _counter(
            "zoo_worker_requests", "Calls that have ended, by worker.", ("worker",), [((self._worker,), total)]
        )


class _Told(Collector):
    """What of metrics is told to who calls."""

    def __init__(self, collected: Collector | CollectorRegistry, may_use: Callable[[str], bool]) -> None:
        self._collected = collected
        self._may_use = may_use

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        for found in self._collected.collect():
            found.samples = [sample for sample in found.samples if self._is_told(sample.labels)]
            yield found

    def _is_told(self, labels: Mapping[str, str]) -> bool:
        model = labels.get("model", labels.get("model_name", ""))
        return model in ("", OTHERS) or self._may_use(model)


class _Collected(Collector):
    def __init__(
        self,
        calls: CallMetrics,
        loads: LoadMetrics,
        recorder: Recorder,
        derived: Callable[[], Mapping[Hashable, Derived]],
    ) -> None:
        self._calls = calls
        self._loads = loads
        self._recorder = recorder
        self._derived = derived

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        return chain(self._of_calls(), self._of_models(), self._of_batches(), self._as_tensorflow_serving())

    def _of_calls(self) -> Iterator[Metric]:
        calls, where = self._calls, ("method", "model")
        yield _counter(
            "zoo_requests", "Calls that have ended.", ("method", "model", "code"),
            (((method, model, code.name), count) for (method, model, code), count in calls.calls.items()),
        )  # fmt: skip
        yield _counter(
            "zoo_request_errors", "Calls that ended with an error, and the part of the request that was wrong.",
            ("code", "part"), (((code.name, part), count) for (code, part), count in calls.errors.items()),
        )  # fmt: skip
        yield _counter("zoo_request_bytes", "Bytes of requests, decompressed.", where, calls.bytes_in.items())
        yield _counter("zoo_response_bytes", "Bytes of answers, before compression.", where, calls.bytes_out.items())
        yield _histogram("zoo_request_seconds", "What a call took in the server.", where, calls.seconds.items())
        yield _histogram(
            "zoo_request_phase_seconds", "What a call spent in decode, queue, compute and encode.", ("phase", "model"),
            calls.phases.items(),
        )  # fmt: skip
        yield _histogram("zoo_request_rows", "Rows of a call.", ("model",), _one_label(calls.rows))
        yield _histogram(
            "zoo_batch_rows", "Rows of the batches that were computed, padding counted.", ("model",),
            _one_label(calls.batch_rows),
        )  # fmt: skip
        yield _counter(
            "zoo_nan_answers", "Batches that were computed with NaN in an output.", ("model",),
            _one_label(calls.nan_answers.counts.copy()),
        )  # fmt: skip
        yield GaugeMetricFamily("zoo_requests_running", "Calls that are in the server now.", self._recorder.running)

    def _of_models(self) -> Iterator[Metric]:
        yield _counter(
            "zoo_model_loads", "Versions that were loaded, or failed to.", ("model", "outcome"),
            (((model, "loaded" if done else "failed"), count) for (model, done), count in self._loads.loads.items()),
        )  # fmt: skip
        yield _counter("zoo_model_unloads", "Versions that were unloaded.", ("model",), _one_label(self._loads.unloads))
        yield from self._of_memory()
        live = GaugeMetricFamily(
            "zoo_model_version_live",
            "1 for a version that answers, 0 for one that does not.",
            labels=("model", "version"),
        )
        for (model, version), state in self._loads.states().items():
            live.add_metric((model, str(version)), float(state is State.AVAILABLE))
        yield live
        engines = GaugeMetricFamily(
            "zoo_signature_engine",
            "1 for what runs a signature, where that was chosen.",
            labels=("model", "version", "signature", "engine"),
        )
        for (model, version, signature), engine in self._loads.engines().items():
            engines.add_metric((model, str(version), signature, engine), 1.0)
        yield engines

    def _of_batches(self) -> Iterator[Metric]:
        where, states = ("model", "version", "signature"), self._loads.states()
        rows = GaugeMetricFamily("zoo_batch_rows_limit", "Rows that a batch may have, by measured times.", labels=where)
        seconds = GaugeMetricFamily(
            "zoo_batch_limit_seconds", "What a batch of so many rows takes, by measured times.", labels=where
        )
        for lane, found in self._derived().items():
            if isinstance(lane, tuple) and states.get(lane[:2]) is State.AVAILABLE:
                rows.add_metric([*map(str, lane)], found.most_rows)
                seconds.add_metric([*map(str, lane)], found.seconds)
        yield rows
        yield seconds

    def _of_memory(self) -> Iterator[Metric]:
        use = self._loads.memory_use()
        if use is None:
            return
        yield _counter(
            "zoo_model_evictions", "Versions that were unloaded to make room for others.", ("model",),
            _one_label(self._loads.evictions),
        )  # fmt: skip
        yield GaugeMetricFamily("zoo_memory_budget_bytes", "What loaded models may take in all.", use.limit)
        yield GaugeMetricFamily("zoo_memory_held_bytes", "What loaded models take, as their files tell.", use.held)

    def _as_tensorflow_serving(self) -> Iterator[Metric]:
        """Yield what dashboards of TensorFlow Serving show (servables/tensorflow/util.cc)."""
        counts: Counter[tuple[str, str]] = Counter()
        for (method, model, code), count in self._calls.calls.items():
            if method in _APIS:
                counts[(model, code.name)] += count
        name = ":tensorflow:serving:request_count"
        requests = Metric(name, "The total number of requests.", "unknown")
        for (model, code_name), count in counts.items():
            requests.add_sample(name, {"model_name": model, "status": code_name}, count)
        yield requests
        yield _histogram(
            ":tensorflow:serving:request_latency", "Wall time of a request in microseconds.",
            ("model_name", "API", "entrypoint"),
            (((model, *_APIS[where]), found) for (where, model), found in self._calls.seconds.items() if where in _APIS),
            scale=_MICROSECONDS,
        )  # fmt: skip


def _one_label(found: Mapping[str, T]) -> Iterator[tuple[tuple[str], T]]:
    return (((value,), count) for value, count in found.items())


def _counter(name: str, text: str, labels: Sequence[str], counts: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts:
        family.add_metric(values, count)
    return family


def _histogram(
    name: str,
    text: str,
    labels: Sequence[str],
    found: Iterable[tuple[tuple[str, ...], Histogram]],
    *,
    scale: float = 1.0,
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, histogram in found:
        bounds = [repr(float(f"{bound * scale:.6g}")) for bound in histogram.bounds] + ["+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
        family.add_metric(values, buckets, histogram.sum * scale)
    return family
