"""Connections that come in are counted once each, whatever they have got to."""

import asyncio
import socket
from contextlib import ExitStack

import pytest

from serving.transports.arrivals import Arrivals

COUNT = 20


class Remembered(asyncio.Protocol):
    """Counts itself from the moment it is connected, before whoever accepted it hears of it, and until it is lost."""

    def __init__(self, connected: "set[Remembered]") -> None:
        self._connected = connected
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._connected.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connected.discard(self)
        self.lost.set()


async def counts_as_they_arrive(pauses: int) -> list[int]:
    """How many connections there were whenever one more was accepted, and once all were there.

    Args:
        pauses: of the event loop, between one client that connects and the next.
    """
    connected: set[Remembered] = set()
    there: list[Remembered] = []
    counts: list[int] = []
    all_are_there = asyncio.Event()

    def has_room() -> bool:
        counts.append(len(connected | arrivals.protocols))
        return True

    def arrived(one: Remembered) -> None:
        there.append(one)
        if len(there) == COUNT:
            all_are_there.set()

    arrivals = Arrivals(
        has_room=has_room,
        protocol=lambda: Remembered(connected),
        arrived=arrived,
        contexts=None,
        handshake_seconds=1,
    )
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=COUNT))
        listener.settimeout(0)
        arrivals.begin([listener])
        for _ in range(COUNT):
            sockets.enter_context(socket.create_connection(listener.getsockname()))
            for _ in range(pauses):
                await asyncio.sleep(0)
        await asyncio.wait_for(all_are_there.wait(), 30)
        has_room()
        await arrivals.stop()
        for one in there:
            one.transport.abort()  # type: ignore[attr-defined]  # asyncio's own type does not say that it can
            await one.lost.wait()
    return counts


@pytest.mark.parametrize("pauses", range(6))
def test_each_is_counted_once_while_others_come(pauses: int) -> None:
    assert asyncio.run(counts_as_they_arrive(pauses)) == list(range(COUNT + 1))
