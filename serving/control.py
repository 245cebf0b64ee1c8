"""Methods by which callers say what is served, and how a server is closed to them."""

from collections.abc import Iterable
from dataclasses import replace

from serving.status import Code, StatusError
from serving.transports.transport import Call, Stream, Unary
from serving.wire import HANDLE_RELOAD_CONFIG, REPOSITORY_MODEL_LOAD, REPOSITORY_MODEL_UNLOAD

CONTROL = frozenset({HANDLE_RELOAD_CONFIG, REPOSITORY_MODEL_LOAD, REPOSITORY_MODEL_UNLOAD})


def without_control(methods: Iterable[Unary | Stream]) -> list[Unary | Stream]:
    """Return the methods, those of CONTROL refusing every call with PERMISSION_DENIED."""
    return [
        replace(method, handler=_refuse) if isinstance(method, Unary) and method.path in CONTROL else method
        for method in methods
    ]


async def _refuse(message: bytes, call: Call) -> bytes:  # noqa: ARG001 - the shape of a handler
    raise StatusError(
        Code.PERMISSION_DENIED,
        "this server does not let callers say what it serves: it was started with --disable_control_rpcs",
    )
