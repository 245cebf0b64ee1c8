"""The interceptor that finds out who calls, before anything else is done for a call."""

from collections.abc import AsyncIterator, Sequence
from contextvars import Token
from pathlib import Path
from typing import TYPE_CHECKING

from serving.caller import ANYONE, NOBODY, Caller, current_caller
from serving.interceptors import Interceptor
from serving.status import StatusError
from serving.transports.transport import Asked, AtOnce, Call, Ended, StreamHandler, UnaryHandler
from serving.watched_file import WatchedFile
from serving.wire import (
    HEALTH_CHECK,
    HEALTH_WATCH,
    HTTP_LIVE,
    HTTP_READY,
    METRICS,
    REFLECTION_INFO,
    SERVER_LIVE,
    SERVER_READY,
)

if TYPE_CHECKING:
    from serving.access import AccessPolicy

AUTHORIZATION = "authorization"

OPEN = frozenset({SERVER_LIVE, SERVER_READY, HTTP_LIVE, HTTP_READY})
"""Methods that anyone may call: they say one word of the server as a whole, and have to answer load balancers."""
HEALTH = frozenset({HEALTH_CHECK, HEALTH_WATCH})
"""Methods that do the same, and tell of single models those who may use them."""
OF_CLIENTS = frozenset({REFLECTION_INFO, METRICS})
"""Methods that tell of the server itself: answered to clients with a name, not to anonymous callers."""


class Authentication(Interceptor):
    """Refuses callers that are not known, and says who the others are; `PermittedModels` then asks what they may."""

    def __init__(self, policy: "WatchedFile[AccessPolicy]") -> None:
        """Ask for what a policy wants, as its file says at the time."""
        self._policy = policy

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
        """See Interceptor."""

        async def answer(message: bytes, call: Call) -> bytes:
            self._identify(path, call)
            return await handler(message, call)

        return answer

    def at_once(self, path: str, answer: AtOnce) -> AtOnce:
        """See Interceptor."""

        def answer_callers(asked: Sequence[Asked]) -> Sequence[Ended | None]:
            answers: list[Ended | None] = [None] * len(asked)
            callers: dict[Caller, list[int]] = {}
            for place, (_, call) in enumerate(asked):
                try:
                    callers.setdefault(ANYONE if path in OPEN else self._caller(path, call), []).append(place)
                except StatusError as error:
                    answers[place] = error
            for caller, places in callers.items():
                before = current_caller.set(caller)
                try:
                    found = answer([asked[place] for place in places])
                finally:
                    current_caller.reset(before)
                for place, ended in zip(places, found, strict=True):
                    answers[place] = ended
            return answers

        return answer_callers

    def stream(self, path: str, handler: StreamHandler) -> StreamHandler:
        """See Interceptor."""

        async def answer(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
            self._identify(path, call)
            async for message in handler(messages, call):
                yield message

        return answer

    def admits(self, path: str, call: Call) -> bool:
        """See Interceptor: what strangers send is not read."""
        try:
            return path in OPEN or self._caller(path, call) is not None
        except StatusError:
            return False

    def _identify(self, path: str, call: Call) -> Token[Caller]:
        return current_caller.set(ANYONE if path in OPEN else self._caller(path, call))

    def _caller(self, path: str, call: Call) -> Caller:
        authorization = call.metadata.get(AUTHORIZATION, "")
        try:
            return self._policy.value.caller(authorization, call.identities, needs_name=path in OF_CLIENTS)
        except StatusError:
            if path in HEALTH:
                return NOBODY
            raise


def watch_access(path: str | Path | None) -> "WatchedFile[AccessPolicy] | None":
    """Return who may use what; None where everyone may everything. Raises ServerError."""
    if path is None:
        return None
    from serving.access import AccessPolicy  # and with it a YAML parser, which other servers do without

    return WatchedFile([Path(path)], lambda: AccessPolicy.read(Path(path)))
