"""Load on a server, and what came of it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.bench.caller import BrokenConnectionError, Caller, Told
from serving.bench.server import BenchServer
from serving.bench.subject import Subject
from serving.status import ServerError
from serving.wire import PREDICT

WARM_UP = 0.3
"""Seconds before those that count."""
_SLACK = 60.0
"""Seconds that the last calls may take beyond their time."""


@dataclass(frozen=True)
class Measured:
    """What one load on one model gave."""

    per_second: float
    """Calls that were answered."""
    p50_ms: float
    p99_ms: float
    cpu_us: float | None
    """Processor time of the server, for each call; None where only Linux tells."""
    client_cpu_us: float
    """The same of who asks."""
    wrong: int
    failed: int
    why: str
    """What is wrong with one of those answers, or why a call failed."""


def measure(server: BenchServer, subject: Subject, *, in_flight: int, seconds: float) -> Measured:
    """Keep so many calls on their way for so many seconds.

    Raises:
        ServerError: the server is gone, or does not answer any more.
    """
    before, own = server.cpu_seconds(), time.process_time()
    told = asyncio.run(_asked(server.port, subject.requests, in_flight=in_flight, seconds=seconds))
    own, after = time.process_time() - own, server.cpu_seconds()
    wrong, why = subject.wrong(told.answers)
    p50, p99 = 1e3 * np.percentile(told.latencies or [0.0], [50, 99])
    sent = max(told.sent, 1)
    return Measured(
        per_second=len(told.latencies) / told.seconds,
        p50_ms=float(p50),
        p99_ms=float(p99),
        cpu_us=None if before is None or after is None else 1e6 * (after - before) / sent,
        client_cpu_us=1e6 * own / sent,
        wrong=wrong,
        failed=told.failed,
        why=why or told.failure,
    )


async def _asked(port: int, requests: Sequence[bytes], *, in_flight: int, seconds: float) -> Told:
    def caller() -> Caller:
        return Caller(PREDICT, requests, in_flight=in_flight, warm_up=WARM_UP, seconds=seconds)

    try:
        _, asking = await asyncio.get_running_loop().create_connection(caller, "127.0.0.1", port)
        await asyncio.wait_for(asking.ended, WARM_UP + seconds + _SLACK)
    except TimeoutError:
        raise ServerError(f"the server has left calls without an answer for {_SLACK:g} s") from None
    except (OSError, BrokenConnectionError) as error:
        raise ServerError(f"the server cannot be asked any more: {error}") from None
    return asking.told
