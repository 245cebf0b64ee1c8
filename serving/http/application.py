"""The ASGI application: requests to methods, and what becomes of them back to HTTP.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from time import monotonic
from typing import Any

from serving.call_record import CallRecord
from serving.held_requests import HeldRequests
from serving.http.body import (
    WORTH_COMPRESSING,
    ClientGoneError,
    Receive,
    compress,
    decompress,
    read_body,
    takes_gzip,
)
from serving.http.call import IDENTITIES, JSON, HttpCall
from serving.http.held_body import HeldBody
from serving.http.route import Route, find
from serving.http.statuses import METHOD_NOT_ALLOWED, HttpError, error_body, status_of
from serving.offload import Offload
from serving.status import Code, StatusError, invalid

logger = logging.getLogger(__name__)

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_SENT_AT_ONCE = 1 << 18
LINGER = 3.0  # seconds; a client that is still sending reads no answer before it is done
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, GET",
    "access-control-allow-headers": "Content-Type",
}


@dataclass
class _Response:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    is_body_unread: bool = False
    """Whether the request's body was left where it is."""


class Application:
    """Answers requests. Lives in one event loop."""

    def __init__(
        self,
        routes: Sequence[Route],
        offload: Offload,
        held: HeldRequests,
        *,
        seconds: float | None = None,
        cors: bool = False,
    ) -> None:
        """Make one.

        Args:
            routes: the methods there are, their interceptors around them.
            offload: what is large is compressed and decompressed in its threads.
            held: counts what requests take, also those of other transports.
            seconds: how long an answer may take; None for as long as it takes.
            cors: whether scripts of any web page may ask.
        """
        self._routes = routes
        self._offload = offload
        self._held = held
        self._seconds = seconds
        self._headers = _CORS if cors else {}

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI calls an application."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = HeldBody(self._held)
        try:
            response = await self._answer(scope, headers, receive, body)
        except ClientGoneError:
            return
        finally:
            body.release()
        if len(response.body) >= WORTH_COMPRESSING and takes_gzip(headers.get("accept-encoding", "")):
            response.body = await compress(response.body, self._offload)
            response.headers |= {"content-encoding": "gzip", "vary": "Accept-Encoding"}
        await _send(response, self._headers, receive, send)

    async def _answer(
        self, scope: Mapping[str, Any], headers: Mapping[str, str], receive: Receive, held: HeldBody
    ) -> _Response:
        verb = scope["method"]
        path = scope["raw_path"].decode("latin-1")
        if verb == "OPTIONS" and self._headers:
            return _Response(200, b"")
        route, parameters, verbs = find(self._routes, verb, path)
        try:
            if route is None:
                raise _no_route(verb, path, verbs)
            call = HttpCall(
                CallRecord(route.method.path),
                metadata=headers,
                parameters=parameters,  # a query means nothing, as in TensorFlow Serving
                peer=_peer(scope.get("client")),
                identities=scope.get(IDENTITIES, ()),
            )
            if route.method.admits is not None and not route.method.admits(call):
                response = await self._run(route, b"", call)
                response.is_body_unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
                return response
            most = route.method.max_bytes
            body = await read_body(receive, headers.get("content-length", ""), most, held)
            body = await decompress(body, headers.get("content-encoding", "").lower(), most, self._offload, held)
        except StatusError as error:
            response = _error(error, {"allow": ", ".join(verbs)} if verbs else {})
            response.is_body_unread = route is not None and not held.is_whole
            return response
        if self._seconds is not None and route.is_timed:
            call.deadline = monotonic() + self._seconds
        return await _unless_gone(self._run(route, body, call), call, receive)

    async def _run(self, route: Route, body: bytes, call: HttpCall) -> _Response:
        try:
            answer = await route.method.handler(body, call)
        except StatusError as error:
            return _error(error, _text(call.trailing))
        except Exception:
            logger.exception("%s failed", call.record.method)
            hidden = StatusError(Code.INTERNAL, "internal error; the server's log tells more")
            return _error(hidden, _text(call.trailing))
        return _Response(200, answer, {"content-type": call.content_type, **_text(call.trailing)})


async def _unless_gone(work: Any, call: HttpCall, receive: Receive) -> _Response:
    """Do what answers a call; stop when its time is up, or nobody waits for it any more."""
    answering = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(receive())  # the body has been read: what comes now is that the client went
    try:
        await asyncio.wait({answering, gone}, timeout=call.time_remaining(), return_when=asyncio.FIRST_COMPLETED)
        if answering.cancelled():  # what it waited for was dropped
            return _error(StatusError(Code.UNAVAILABLE, "the server is shutting down"), _text(call.trailing))
        if answering.done():
            response: _Response = answering.result()
            return response
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering
        if gone.done():
            raise ClientGoneError
        message = "the answer took longer than this server's --rest_api_timeout_in_ms allows"
        return _error(StatusError(Code.DEADLINE_EXCEEDED, message), _text(call.trailing))
    finally:
        answering.cancel()
        gone.cancel()


def _no_route(verb: str, path: str, verbs: Sequence[str]) -> StatusError:
    shown = f"{verb} {path[:200]}"
    if path.lower().startswith("/v1/"):
        return invalid(
            f"Malformed request: {shown}; expected GET /v1/models/NAME[/versions/N][/metadata] or "
            "POST /v1/models/NAME[/versions/N|/labels/L]:predict, :classify or :regress"
        )
    if verbs:
        return HttpError(METHOD_NOT_ALLOWED, Code.UNIMPLEMENTED, f"{shown}: the path takes {' or '.join(verbs)}")
    return StatusError(Code.NOT_FOUND, f"there is no {shown}; there is /v1/models/NAME and /v2/models/NAME")


def _error(error: StatusError, headers: Mapping[str, str]) -> _Response:
    found = {"content-type": JSON, **headers}
    if error.code is Code.UNAUTHENTICATED:
        found.setdefault("www-authenticate", "Bearer")  # RFC 9110, 11.6.1: a 401 says what it wants
    if error.retry_after is not None:
        found["retry-after"] = str(ceil(error.retry_after))
    return _Response(status_of(error), error_body(error.message), found)


def _text(trailing: Mapping[str, str | bytes]) -> dict[str, str]:
    return {name: value for name, value in trailing.items() if isinstance(value, str)}


def _peer(client: tuple[str, int] | None) -> str:
    if client is None:
        return ""
    host, port = client
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


async def _send(response: _Response, more: Mapping[str, str], receive: Receive, send: Send) -> None:
    unread = response.is_body_unread
    headers = {**response.headers, **more, "content-length": str(len(response.body))}
    if unread:
        headers["connection"] = "close"
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    last = max(0, len(response.body) - 1) // _SENT_AT_ONCE * _SENT_AT_ONCE
    for at in range(0, last, _SENT_AT_ONCE):  # each waits until the client has taken most of those before
        await send({"type": "http.response.body", "body": response.body[at : at + _SENT_AT_ONCE], "more_body": True})
    await send({"type": "http.response.body", "body": response.body[last:], "more_body": unread})
    if unread:
        await _drop_the_rest(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop_the_rest(receive: Receive) -> None:
    """Read what a client still sends; to close on it would take the answer from it (RFC 9112, 9.6)."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
