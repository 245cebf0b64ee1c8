"""The interceptor that finds out who calls, before anything else is done for a call."""

from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from serving.caller import ANYONE, current_caller
from serving.interceptors import Interceptor
from serving.transports.transport import Call, StreamHandler, UnaryHandler
from serving.watched_file import WatchedFile
from serving.wire import HEALTH_CHECK, HEALTH_WATCH, HTTP_LIVE, HTTP_READY, SERVER_LIVE, SERVER_READY

if TYPE_CHECKING:
    from serving.access import AccessPolicy

AUTHORIZATION = "authorization"

OPEN = frozenset({HEALTH_CHECK, HEALTH_WATCH, SERVER_LIVE, SERVER_READY, HTTP_LIVE, HTTP_READY})
"""Methods that anyone may call: health, which tells little and has to answer load balancers."""


class Authentication(Interceptor):
    """Refuses callers that are not known, and says who the others are; `PermittedModels` then asks what they may."""

    def __init__(self, policy: "WatchedFile[AccessPolicy]", *, open_paths: Collection[str] = ()) -> None:
        """Prepare.

        Args:
            policy: who may do what, as its file says at the time.
            open_paths: methods that anyone may call.
        """
        self._policy = policy
        self._open = frozenset(open_paths)

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
        """See Interceptor."""

        async def answer(message: bytes, call: Call) -> bytes:
            self._identify(path, call)
            return await handler(message, call)

        return answer

    def stream(self, path: str, handler: StreamHandler) -> StreamHandler:
        """See Interceptor."""

        async def answer(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
            self._identify(path, call)
            async for message in handler(messages, call):
                yield message

        return answer

    def _identify(self, path: str, call: Call) -> None:
        if path in self._open:
            caller = ANYONE
        else:
            caller = self._policy.value.caller(call.metadata.get(AUTHORIZATION, ""), call.identities)
        current_caller.set(caller)


def watch_access(path: str | Path | None) -> "WatchedFile[AccessPolicy] | None":
    """Return who may use what; None where everyone may everything. Raises ServerError."""
    if path is None:
        return None
    from serving.access import AccessPolicy  # and with it a YAML parser, which other servers do without

    return WatchedFile([Path(path)], lambda: AccessPolicy.read(Path(path)))
