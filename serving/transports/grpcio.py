"""gRPC by the grpcio library's asyncio server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn

import grpc

from serving.call_record import CallRecord
from serving.error_details import KEY, details_of
from serving.held_requests import HeldRequests
from serving.status import Code, ServerError, StatusError
from serving.transports.endings import short_text, shutting_down, status_of, too_large_for_method
from serving.transports.http2.limits import Limits
from serving.transports.listener import PATH_HINT
from serving.transports.place import Place
from serving.transports.transport import Call, Stream, Unary

logger = logging.getLogger(__name__)

_STATUS = {code.value[0]: code for code in grpc.StatusCode}
_MAX_UNSEEN = 100_000
_LIMITS = Limits()
_LAST_WORDS = 0.5  # seconds
_UNCOMPRESSED = 1 << grpc.Compression.NoCompression


class GrpcioTransport:
    """A gRPC server. Lives in the event loop that `start` is awaited in."""

    def __init__(
        self,
        methods: Sequence[Unary | Stream],
        place: Place,
        *,
        max_message_bytes: int,
        credentials: grpc.ServerCredentials | None = None,
        socket_path: str | None = None,
        arguments: Mapping[str, int | str] | None = None,
        held: HeldRequests | None = None,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            methods: what it answers.
            place: where it listens.
            max_message_bytes: largest request.
            credentials: TLS; None for plain text.
            socket_path: a UNIX socket to listen on too.
            arguments: further options of the library's, which win over those set here.
            held: counts what requests take once the library has handed them over; None for a count of this transport's own.
        """
        self._methods = methods
        self._place = place
        self._socket_path = socket_path
        self._arguments = dict(arguments or {})
        self._max_message_bytes = max_message_bytes
        self._credentials = credentials
        self._held = held or HeldRequests.for_messages(max_message_bytes)
        self._draining = asyncio.Event()
        self._server: Any = None

    async def start(self) -> int:
        """See Transport."""
        options: dict[str, int | str] = {
            # The library has it on: a second server on the port would silently take half of the calls.
            "grpc.so_reuseport": int(self._place.reuse_port),
            "grpc.max_receive_message_length": self._max_message_bytes,
            "grpc.max_send_message_length": -1,
            # The library unpacks before anyone is asked, and as many requests at once as come, whatever is held already.
            "grpc.compression_enabled_algorithms_bitset": _UNCOMPRESSED,
            # The library's own are two minutes, any number, and for ever.
            "grpc.server_handshake_timeout_ms": round(_LIMITS.handshake_seconds * 1000),
            "grpc.max_allowed_incoming_connections": _LIMITS.max_connections,
            "grpc.max_connection_idle_ms": round(_LIMITS.idle_seconds * 1000),
            # Bursts wait here until the loop sees them; past the library's own limit they would end as CANCELLED.
            "grpc.server.max_pending_requests": _MAX_UNSEEN,
            "grpc.server.max_pending_requests_hard_limit": _MAX_UNSEEN,
        }
        server = grpc.aio.server(options=list({**options, **self._arguments}.items()))
        server.add_generic_rpc_handlers((_Router(self._methods, self._draining, self._held),))
        place = self._place
        host = f"[{place.host}]" if ":" in place.host else place.host
        port = self._listen(server, f"{host}:{place.port}", place.flags.hint)
        if self._socket_path:
            self._listen(server, f"unix:{self._socket_path}", PATH_HINT)
        await server.start()
        self._server = server
        return port

    def _listen(self, server: Any, address: str, hint: str) -> int:
        try:
            if self._credentials is None:
                return int(server.add_insecure_port(address))
            return int(server.add_secure_port(address, self._credentials))
        except RuntimeError as error:
            raise ServerError(f"cannot listen on {address}: {hint}") from error

    async def stop(self, grace: float) -> None:
        """See Transport."""
        if self._server is None:
            return
        stopping = asyncio.ensure_future(self._server.stop(grace))
        await asyncio.sleep(0)  # the listener is closed before the streams end, or clients would open them anew
        self._draining.set()
        await stopping


class _Call:
    """See Call."""

    def __init__(self, path: str, context: Any) -> None:
        self._context = context
        self.record = CallRecord(path)
        self.trailing: dict[str, str | bytes] = {}

    @cached_property
    def metadata(self) -> Mapping[str, str | bytes]:
        return dict(self._context.invocation_metadata() or ())

    @property
    def peer(self) -> str:
        return str(self._context.peer())

    @property
    def identities(self) -> Sequence[str]:
        return [each.decode(errors="replace") for each in self._context.peer_identities() or ()]

    def time_remaining(self) -> float | None:
        remaining: float | None = self._context.time_remaining()
        return remaining

    def make_room(self, more_than: int) -> bool:  # noqa: ARG002
        """See Holder: what the library hands over is whole."""
        return False


class _Router(grpc.GenericRpcHandler):
    def __init__(self, methods: Sequence[Unary | Stream], draining: asyncio.Event, held: HeldRequests) -> None:
        self._handlers = {
            method.path: _stream(method, draining, held)
            if isinstance(method, Stream)
            else _unary(method, held)
            if method.admits is None
            else _admitted(method, method.admits, held)
            for method in methods
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def _unary(method: Unary, held: HeldRequests) -> Any:
    async def answer(request: bytes, context: Any) -> bytes:
        call = _Call(method.path, context)
        async with _errors_become_status(call, context):
            return await _response(method, request, call, context, held)

    return grpc.unary_unary_rpc_method_handler(answer)


async def _response(method: Unary, request: bytes, call: "_Call", context: Any, held: HeldRequests) -> bytes:
    with held.holding(call, len(request)):
        response = await method.handler(_small(request, method.max_bytes), call)
    if call.trailing:
        context.set_trailing_metadata(tuple(call.trailing.items()))
    return response


def _admitted(method: Unary, admits: Callable[[Call], bool], held: HeldRequests) -> Any:
    """Answer a unary method as one of a stream of requests: the library reads none before it is asked to."""

    async def answer(requests: AsyncIterator[bytes], context: Any) -> bytes:
        call = _Call(method.path, context)
        async with _errors_become_status(call, context):
            request = b""
            if admits(call):
                try:
                    request = await anext(requests)
                except StopAsyncIteration:
                    raise StatusError(Code.UNIMPLEMENTED, "no request, for a method that takes one") from None
            return await _response(method, request, call, context, held)

    return grpc.stream_unary_rpc_method_handler(answer)


def _stream(method: Stream, draining: asyncio.Event, held: HeldRequests) -> Any:
    async def answer(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        call = _Call(method.path, context)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(_errors_become_status(call, context))
            # Closed here, where the loop still runs: a stream may be refused before it is read.
            received: Any = aiter(requests)
            stack.push_async_callback(_close, received)
            small = _held(received, method.max_bytes, call, held)
            stack.push_async_callback(_close, small)
            async for response in _until(draining, method.handler(small, call)):
                yield response

    return grpc.stream_stream_rpc_method_handler(answer)


async def _held(
    requests: AsyncIterator[bytes], max_bytes: int, call: "_Call", held: HeldRequests
) -> AsyncIterator[bytes]:
    """Pass requests on, each held until the next is asked for."""
    async for request in requests:
        with held.holding(call, len(request)):
            yield _small(request, max_bytes)


async def _close(generator: Any) -> None:
    with contextlib.suppress(RuntimeError):  # a task that was abandoned still waits in it
        await generator.aclose()


def _small(request: bytes, max_bytes: int) -> bytes:
    if len(request) > max_bytes:
        raise too_large_for_method(len(request), max_bytes)
    return request


@contextlib.asynccontextmanager
async def _errors_become_status(call: _Call, context: Any) -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told something
        await _abort(call, context, status_of(error, call.record.method))


async def _until(draining: asyncio.Event, responses: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass responses on until the server drains; what a stream still has to say then, it may say at once.

    Cancelling a stream's task instead would leave its call open, and the server waiting for it.
    """
    drained = asyncio.ensure_future(draining.wait())
    pending: set[asyncio.Future[Any]] = {drained}
    try:
        while True:
            following = asyncio.ensure_future(anext(responses))
            pending = {drained, following}
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                await asyncio.wait({following}, timeout=_LAST_WORDS)
            if not following.done():
                raise shutting_down()
            try:
                yield following.result()
            except StopAsyncIteration:
                return
    finally:
        for future in pending:
            future.cancel()


async def _abort(call: _Call, context: Any, error: StatusError) -> NoReturn:
    details = short_text(error)
    packed = details_of(error)
    trailing = {**call.trailing, **({KEY: packed} if packed is not None else {})}
    try:
        await context.abort(_STATUS[error.code], details, tuple(trailing.items()))
    except grpc.aio.AbortError:
        raise
    except Exception as gone:
        logger.debug("nobody is left to be told: %s", details)
        raise grpc.aio.AbortError(details) from gone
    raise AssertionError("abort does not return")
