"""Requests that have come whole in one read of a connection: those of one method are answered together."""

from typing import TYPE_CHECKING

from serving.transports.transport import AtOnce

if TYPE_CHECKING:
    from serving.transports.http2.unary import UnaryExchange


class WholeRequests:
    """Holds them until all is read. Lives in the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[AtOnce, list[tuple[bytes, UnaryExchange]]] = {}

    def add(self, at_once: AtOnce, message: bytes, exchange: "UnaryExchange") -> None:
        """Have a request answered once all is read, by what answers at once, or else its handler."""
        self._waiting.setdefault(at_once, []).append((message, exchange))

    def answer(self) -> None:
        """Answer what waits, but for calls that have ended meanwhile."""
        waiting, self._waiting = self._waiting, {}
        for at_once, requests in waiting.items():
            asked = [each for each in requests if not each[1].is_over]
            if not asked:
                continue
            try:
                answers = at_once([(message, exchange.call) for message, exchange in asked])
            except Exception as error:  # noqa: BLE001 - the callers are told
                answers = [error] * len(asked)
            for (message, exchange), ended in zip(asked, answers, strict=True):
                exchange.finish(message, ended)
