"""Which method answers a path."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast
from urllib.parse import unquote

from serving.http.call import HttpCall
from serving.transports.transport import SMALL_MESSAGE, Call, Unary

Handler = Callable[[bytes, HttpCall], Awaitable[bytes]]
"""The body of a request -> the body of its answer. Raises StatusError to end it with an error."""


@dataclass(frozen=True)
class Route:
    """A verb and a pattern of paths, and the method that answers them."""

    verb: str
    pattern: re.Pattern[str]
    """Of the whole path, still percent-encoded; its groups are the call's parameters."""
    method: Unary
    is_timed: bool = True
    """Whether the server's limit for an answer holds."""

    @classmethod
    def of(
        cls, name: str, pattern: str, handler: Handler, max_bytes: int = SMALL_MESSAGE, *, is_timed: bool = True
    ) -> Self:
        """Make a route.

        Args:
            name: what it is called where calls are counted, `GET /v1/models/{model}`; the verb is its first word.
            pattern: a regular expression; letters match in either case, as in TensorFlow Serving.
            handler: what answers.
            max_bytes: the largest body, once decompressed.
            is_timed: whether the server's limit for an answer holds.
        """

        async def answer(body: bytes, call: Call) -> bytes:
            return await handler(body, cast("HttpCall", call))

        return cls(
            name.split(maxsplit=1)[0], re.compile(pattern, re.IGNORECASE), Unary(name, answer, max_bytes), is_timed
        )

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters in a path, decoded; None where it is another's."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items() if value is not None}

    def through(self, method: Unary) -> Self:
        """Return the route with another method, which may have interceptors around it."""
        return replace(self, method=method)


def find(routes: Sequence[Route], verb: str, path: str) -> tuple[Route | None, dict[str, str], list[str]]:
    """Return the route of a request, its parameters, and where there is none, the verbs that the path takes."""
    verbs = []
    for route in routes:
        parameters = route.match(path)
        if parameters is None:
            continue
        if route.verb == verb or (route.verb == "GET" and verb == "HEAD"):
            return route, parameters, []
        verbs.append(route.verb)
    return None, {}, verbs
