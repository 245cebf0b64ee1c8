"""Methods by which callers say what is served or look around, and how a server keeps them to itself."""

from collections.abc import Iterable
from dataclasses import replace

from serving.status import Code, StatusError
from serving.transports.transport import Call, Stream, Unary, UnaryHandler
from serving.wire import HANDLE_RELOAD_CONFIG, REFLECTION_INFO, REPOSITORY_MODEL_LOAD, REPOSITORY_MODEL_UNLOAD

CONTROL = frozenset({HANDLE_RELOAD_CONFIG, REPOSITORY_MODEL_LOAD, REPOSITORY_MODEL_UNLOAD})
"""They change what is served."""

DISABLED = "it was started with --disable_control_rpcs"
ELSEWHERE = "they do so on its --admin_port"


def without_control(methods: Iterable[Unary | Stream], why: str) -> list[Unary | Stream]:
    """Return the methods, those of CONTROL refusing every call with PERMISSION_DENIED."""
    return [
        replace(method, handler=_refusal(why)) if isinstance(method, Unary) and method.path in CONTROL else method
        for method in methods
    ]


def without_reflection(methods: Iterable[Unary | Stream]) -> list[Unary | Stream]:
    """Return the methods but for reflection."""
    return [method for method in methods if method.path != REFLECTION_INFO]


def _refusal(why: str) -> UnaryHandler:
    async def refuse(message: bytes, call: Call) -> bytes:  # noqa: ARG001 - the shape of a handler
        raise StatusError(Code.PERMISSION_DENIED, f"this server does not let callers say what it serves: {why}")

    return refuse
