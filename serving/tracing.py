"""A span for every call, for OpenTelemetry: imported only where that is asked for.

Source of names and values: OpenTelemetry's semantic conventions for RPC and HTTP servers. Where spans go is what the process
set up: a TracerProvider of the SDK's, or `opentelemetry-instrument`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote

from opentelemetry import propagate, trace
from opentelemetry.trace import ProxyTracerProvider, Span, SpanKind, Status, StatusCode

from serving.call_record import CallRecord
from serving.http.statuses import HTTP_STATUS, status_of
from serving.interceptors import Interceptor
from serving.status import Code, StatusError
from serving.transports.transport import Call, StreamHandler, UnaryHandler
from serving.wire import HEALTH_CHECK, HEALTH_WATCH, HTTP_LIVE, HTTP_READY, METRICS, SERVER_LIVE, SERVER_READY

logger = logging.getLogger(__name__)

UNTRACED = frozenset({HEALTH_CHECK, HEALTH_WATCH, HTTP_LIVE, HTTP_READY, METRICS, SERVER_LIVE, SERVER_READY})
"""Methods that are asked every few seconds, and tell nothing of anyone's request."""
_FAULTS_OF_A_SERVER = frozenset(
    {Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE}
)
_OF_MODEL = {"zoo.model.name": "model", "zoo.model.version": "version", "zoo.signature": "signature"}

Value = str | int | float


class Tracing(Interceptor):
    """Makes a server span of every call, a child of what `traceparent` names, in metadata or a header.

    It stands outside of the recorder, which completes the call's record that the span tells of. Requests of a stream have
    spans of their own beside that of the stream.
    """

    def __init__(self, untraced: Collection[str] = UNTRACED) -> None:
        """Make spans by the process's TracerProvider, but for the methods in `untraced`."""
        self._untraced = frozenset(untraced)
        self._tracer = trace.get_tracer("keras-zoo")
        if isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
            logger.warning(
                "--opentelemetry: no tracer provider is set up, so that spans go nowhere: install opentelemetry-distro "
                "and start with `opentelemetry-instrument zoo serve ...`, or set one before the server is made"
            )

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
        """See Interceptor."""
        if path in self._untraced:
            return handler

        async def answer(message: bytes, call: Call) -> bytes:
            span = self._begin(path, call)
            with trace.use_span(span, record_exception=False, set_status_on_exception=False), _told(span, path, call):
                return await handler(message, call)

        return answer

    def stream(self, path: str, handler: StreamHandler) -> StreamHandler:
        """See Interceptor."""
        if path in self._untraced:
            return handler

        async def answer(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
            # Not the current span: a generator may be ended in another context than it was begun in.
            with _told(self._begin(path, call), path, call):
                async for message in handler(messages, call):
                    yield message

        return answer

    def _begin(self, path: str, call: Call) -> Span:
        carrier = {key: value for key, value in call.metadata.items() if isinstance(value, str)}
        return self._tracer.start_span(
            path.removeprefix("/"),
            context=propagate.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={**_of_method(path), **_of_peer(call.peer)},
        )


@contextmanager
def _told(span: Span, path: str, call: Call) -> Iterator[None]:
    """Tell a span how the block went, and end it."""
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        if span.is_recording():
            span.set_attributes(_of_record(call.record))
            _tell_outcome(span, path, call.record, error)
        span.end()


def _is_http(path: str) -> bool:
    return not path.startswith("/")


def _of_method(path: str) -> dict[str, Value]:
    if _is_http(path):
        verb, route = path.split(maxsplit=1)
        return {"http.request.method": verb, "http.route": route}
    return {"rpc.system.name": "grpc", "rpc.method": path.removeprefix("/")}


def _of_peer(peer: str) -> dict[str, Value]:
    """Return an address that gRPC writes as `ipv4:127.0.0.1:1234`, `ipv6:[::1]:1234` or `ipv6:%5B::1%5D:1234`."""
    kind, _, rest = peer.partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in {"ipv4", "ipv6"} or not port.isdecimal():
        return {}
    return {
        "network.peer.address": unquote(host).strip("[]"),
        "network.peer.port": int(port),
    }


def _of_record(record: CallRecord) -> Mapping[str, Value]:
    found: dict[str, Value] = {"zoo.request_id": record.request_id}
    if record.version is not None:
        found |= {name: getattr(record, field) for name, field in _OF_MODEL.items()}
        found |= {"zoo.rows": record.rows, "zoo.batch_rows": record.batch_rows}
    return found | {f"zoo.{phase}.seconds": seconds for phase, seconds in record.seconds.items() if phase != "total"}


def _tell_outcome(span: Span, path: str, record: CallRecord, error: BaseException | None) -> None:
    if _is_http(path):
        if error is None or isinstance(error, StatusError):
            status = 200 if error is None else status_of(error)
        else:
            status = HTTP_STATUS[record.code] if isinstance(error, asyncio.CancelledError) else 500
        span.set_attribute("http.response.status_code", status)
        kind, is_fault = str(status), status >= 500
    else:
        span.set_attribute("rpc.response.status_code", record.code.name)
        kind, is_fault = record.code.name, record.code in _FAULTS_OF_A_SERVER
    if is_fault:
        span.set_attribute("error.type", kind)
        span.set_status(Status(StatusCode.ERROR))
