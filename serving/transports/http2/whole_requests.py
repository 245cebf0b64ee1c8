"""Requests that have come whole in one read of a connection: those of one method are answered together."""

from typing import TYPE_CHECKING

from serving.transports.transport import AtOnce

if TYPE_CHECKING:
    from serving.transports.http2.unary import UnaryExchange


class WholeRequests:
    """Holds them until all is read. Lives in the event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[AtOnce, bytes, UnaryExchange]] = []

    def add(self, at_once: AtOnce, message: bytes, exchange: "UnaryExchange") -> None:
        """Have a request answered once all is read, by what answers at once, or else its handler."""
        self._waiting.append((at_once, message, exchange))

    def answer(self) -> None:
        """Answer what waits, but for calls that have ended meanwhile."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:  # most are alone
            _answer_one(*waiting[0])
            return
        methods: dict[AtOnce, list[tuple[bytes, UnaryExchange]]] = {}
        for at_once, message, exchange in waiting:
            methods.setdefault(at_once, []).append((message, exchange))
        for at_once, requests in methods.items():
            _answer(at_once, requests)


def _answer_one(at_once: AtOnce, message: bytes, exchange: "UnaryExchange") -> None:
    if exchange.is_over:
        return
    try:
        [ended] = at_once([(message, exchange.call)])
    except Exception as error:  # noqa: BLE001 - the caller is told
        ended = error
    exchange.finish(message, ended)


def _answer(at_once: AtOnce, requests: list[tuple[bytes, "UnaryExchange"]]) -> None:
    requests = [each for each in requests if not each[1].is_over]
    if not requests:
        return
    try:
        answers = at_once([(message, exchange.call) for message, exchange in requests])
    except Exception as error:  # noqa: BLE001 - the callers are told
        answers = [error] * len(requests)
    for (message, exchange), ended in zip(requests, answers, strict=True):
        exchange.finish(message, ended)
