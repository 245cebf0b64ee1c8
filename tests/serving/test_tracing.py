"""Spans as OpenTelemetry's SDK is given them."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tritonclient.grpc import InferenceServerClient

import serving
from serving.call_record import CallRecord
from serving.http.call import HttpCall
from serving.tracing import Tracing
from tests.serving.http.asking import ask
from tests.serving.inference.cases import triton_input

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"  # https://www.w3.org/TR/trace-context/
X = np.array([4.0], np.float32)


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """What every span of this process goes to: a process has one provider."""
    provider, found = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(found))
    trace.set_tracer_provider(provider)
    return found


@pytest.fixture(scope="module")
def traced(repository: Path, exporter: InMemorySpanExporter) -> Iterator[serving.Server]:
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0, opentelemetry=True) as running:
        yield running


@pytest.fixture
def spans(exporter: InMemorySpanExporter, traced: serving.Server) -> InMemorySpanExporter:
    exporter.clear()
    return exporter


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    (span,) = spans.get_finished_spans()
    return span


def test_a_predict_is_a_span_below_the_callers(traced: serving.Server, spans: InMemorySpanExporter) -> None:
    with grpc.insecure_channel(f"localhost:{traced.port}") as channel:
        request = serving.protos.prediction_pb2.PredictRequest()
        request.model_spec.name = "affine"
        request.inputs["x"].dtype = 1
        request.inputs["x"].tensor_shape.dim.add(size=1)
        request.inputs["x"].float_val.append(4.0)
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        predict(request.SerializeToString(), metadata=[("traceparent", TRACEPARENT)], timeout=30)
    span = only(spans)
    assert (span.name, span.kind) == ("tensorflow.serving.PredictionService/Predict", SpanKind.SERVER)
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    told = dict(span.attributes)
    assert told["rpc.system.name"] == "grpc"
    assert told["rpc.method"] == "tensorflow.serving.PredictionService/Predict"
    assert told["rpc.response.status_code"] == "OK"
    assert (told["zoo.model.name"], told["zoo.model.version"], told["zoo.signature"]) == (
        "affine",
        2,
        "serving_default",
    )
    assert told["zoo.rows"] == 1
    assert {"zoo.decode.seconds", "zoo.compute.seconds", "zoo.encode.seconds", "zoo.queue.seconds"} <= told.keys()
    assert 0 <= told["zoo.compute.seconds"] <= (span.end_time - span.start_time) / 1e9
    assert told["network.peer.address"] in {"127.0.0.1", "::1"}
    assert span.status.status_code is StatusCode.UNSET


def test_a_request_over_http_is_a_span_of_its_route(traced: serving.Server, spans: InMemorySpanExporter) -> None:
    headers = {"traceparent": TRACEPARENT, "x-request-id": "mine"}
    ask(traced.rest_api_port, "POST", "/v1/models/affine:predict", '{"instances": [4.0]}', headers)
    span = only(spans)
    assert span.name == "POST /v1/models/{model}:predict"
    assert f"{span.context.trace_id:032x}" == TRACE
    told = dict(span.attributes)
    assert (told["http.request.method"], told["http.route"]) == ("POST", "/v1/models/{model}:predict")
    assert (told["http.response.status_code"], told["zoo.request_id"]) == (200, "mine")
    assert told["zoo.model.name"] == "affine"


def test_a_wrong_request_is_no_fault_of_the_servers(traced: serving.Server, spans: InMemorySpanExporter) -> None:
    assert ask(traced.rest_api_port, "POST", "/v1/models/nobody:predict", '{"instances": [4.0]}').status == 404
    span = only(spans)
    assert span.attributes["http.response.status_code"] == 404
    assert "zoo.model.name" not in span.attributes, "names that clients make up are no models"
    assert span.status.status_code is StatusCode.UNSET
    assert not span.events, "what a request holds may be in the text of an error"
    with serving.Client(f"localhost:{traced.port}") as client, pytest.raises(serving.CallError, match="NOT_FOUND"):
        client.predict("nobody", X, timeout=30)
    assert spans.get_finished_spans()[-1].attributes["rpc.response.status_code"] == "NOT_FOUND"


def test_what_the_server_does_not_offer_is_an_error(traced: serving.Server, spans: InMemorySpanExporter) -> None:
    with InferenceServerClient(f"localhost:{traced.port}") as triton, pytest.raises(Exception, match="UNIMPLEMENTED"):
        triton.get_trace_settings("affine")
    span = only(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "UNIMPLEMENTED"


def test_requests_of_a_stream_have_spans(traced: serving.Server, spans: InMemorySpanExporter) -> None:
    with InferenceServerClient(f"localhost:{traced.port}") as triton:
        triton.start_stream(lambda result, error: None)  # noqa: ARG005 - the client names them
        triton.async_stream_infer("affine", [triton_input("x", X)])
        triton.async_stream_infer("affine", [triton_input("x", X)])
        triton.stop_stream()
    found = spans.get_finished_spans()
    assert {span.name for span in found} == {"inference.GRPCInferenceService/ModelStreamInfer"}
    assert [span.attributes.get("zoo.model.name") for span in found].count("affine") == 2


def test_health_checks_make_none(traced: serving.Server, spans: InMemorySpanExporter) -> None:
    with serving.Client(f"localhost:{traced.port}") as client:
        assert client.health(timeout=30)
    assert ask(traced.rest_api_port, "GET", "/v2/health/ready").status == 200
    assert spans.get_finished_spans() == ()


async def _inner(message: bytes, call: HttpCall) -> bytes:
    with trace.get_tracer("mine").start_as_current_span("inner"):
        return message


def test_spans_of_other_interceptors_lie_below(spans: InMemorySpanExporter) -> None:
    asyncio.run(Tracing().unary("GET /it", _inner)(b"", HttpCall(CallRecord("GET /it"), {})))
    inner, outer = spans.get_finished_spans()
    assert (inner.name, inner.parent.span_id) == ("inner", outer.context.span_id)


def test_nothing_is_imported_that_was_not_asked_for() -> None:
    program = "import sys, serving.server, serving.http.assembly; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_the_package_it_is_said_how_to_get_it(repository: Path) -> None:
    program = f"""
import sys
sys.modules["opentelemetry"] = None
import serving
try:
    serving.Server({str(repository)!r}, port=0, opentelemetry=True)
except serving.status.ServerError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert told == "opentelemetry: spans need opentelemetry, which is not installed: pip install 'keras-zoo[otel]'\n"
