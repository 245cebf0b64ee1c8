"""What `load_generator.cc` does, in Python, with the same arguments and results: for machines without a C++ compiler."""

import asyncio
import json
import resource
import struct
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import grpc
import numpy as np
from load import Answers, Load, Measured, write_answers

_DEADLINE = 10.0
_MOST_SECONDS = 20.0


def read_requests(data: bytes) -> list[bytes]:
    """Return what a file of (uint32 length, bytes) holds."""
    requests, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        requests.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return requests


class Asking:
    """One load on one server. Lives in one event loop."""

    def __init__(self, calls: list[grpc.aio.UnaryUnaryMultiCallable], requests: list[bytes], load: Load) -> None:
        """Prepare to ask, by a call of each channel."""
        self.answers: Answers = Counter()
        self._calls, self._requests, self._load = calls, requests, load
        self._latencies: list[float] = []
        self._delays: list[float] = [0.0]
        self._sent = self._failed = 0
        self._failure = ""
        self._from = self._until = self._last = 0.0

    async def run(self) -> Measured:
        """Ask, and return what became of it."""
        start = time.perf_counter()
        self._from = start + self._load.warm_up
        self._until = self._from + self._load.seconds
        await (self._at_rate(start) if self._load.loop == "open" else self._in_flight())
        elapsed = self._last - self._from
        p50, p90, p99, longest = 1e6 * np.percentile(self._latencies or [0.0], [50, 90, 99, 100])
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Measured(
            calls=self._sent,
            answered=len(self._latencies),
            failed=self._failed,
            per_second=len(self._latencies) / elapsed if elapsed > 0 else 0.0,
            p50_us=float(p50),
            p90_us=float(p90),
            p99_us=float(p99),
            max_us=float(longest),
            sent_late_p99_us=1e6 * float(np.percentile(self._delays, 99)),
            client_cpu_us=1e6 * (used.ru_utime + used.ru_stime) / max(self._sent, 1),
            distinct=len(self.answers),
            unseen=0,
            failure=self._failure,
        )

    async def _in_flight(self) -> None:
        async def caller() -> None:
            while self._goes_on(now := time.perf_counter()):
                await self._ask(now)

        await asyncio.gather(*(caller() for _ in range(int(self._load.pace))))

    def _goes_on(self, now: float) -> bool:
        few = len(self._latencies) < 2 * self._load.pace
        return self._failed < 1000 and (now < self._until or (few and now < self._from + _MOST_SECONDS))

    async def _at_rate(self, start: float) -> None:
        asking = []
        for number in range(int((self._load.warm_up + self._load.seconds) * self._load.pace)):
            due = start + number / self._load.pace
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self._delays.append(time.perf_counter() - due)
            asking.append(asyncio.create_task(self._ask(due)))
        await asyncio.gather(*asking)

    async def _ask(self, due: float) -> None:
        number = self._sent % len(self._requests)
        call = self._calls[self._sent % len(self._calls)]
        self._sent += 1
        try:
            answer = await call(self._requests[number], metadata=tuple(self._load.metadata.items()), timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            self._failed += 1
            self._failure = error.details() or error.code().name
            return
        now = time.perf_counter()
        self.answers[number, answer] += 1
        counts = due >= self._from if self._load.loop == "open" else now >= self._from and self._goes_on(now)
        if counts:
            self._latencies.append(now - due)
            self._last = now


async def main(target: str, method: str, requests: str, answers: str, *how: str) -> None:
    """See load_generator.cc."""
    loop, pace, warm_up, seconds, channels, *pairs = how
    if loop not in {"open", "closed"}:
        sys.exit(f"expected open or closed, got {loop}")
    if not target.startswith(("127.0.0.1:", "unix:")):
        sys.exit(f"{target} is not on this machine: give 127.0.0.1:PORT or unix:PATH")
    metadata = dict(pair.split("=", 1) for pair in pairs)
    load = Load(
        "open" if loop == "open" else "closed", float(pace), float(seconds), float(warm_up), int(channels), metadata
    )
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    connections = [grpc.aio.insecure_channel(target, options=options) for _ in range(load.channels)]
    for connection in connections:
        await asyncio.wait_for(connection.channel_ready(), _DEADLINE)
    asking = Asking(
        [connection.unary_unary(method) for connection in connections], read_requests(Path(requests).read_bytes()), load
    )
    measured = await asking.run()
    for connection in connections:
        await connection.close()
    Path(answers).write_bytes(write_answers(asking.answers))
    print(json.dumps(asdict(measured)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
