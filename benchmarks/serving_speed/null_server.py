"""Our transport without a model: every request has an answer in a file.

python -m benchmarks.serving_speed.null_server ANSWERS PORT
"""

import asyncio
import pickle
import sys
from pathlib import Path

from serving.busy_polling import new_event_loop
from serving.config import ServerConfig
from serving.transports.http2.transport import AsyncioTransport
from serving.transports.place import Place
from serving.transports.transport import Call, Unary
from serving.wire import PREDICT

_LARGEST = 64 << 20


async def serve(answers: dict[bytes, bytes], port: int) -> None:
    """Serve until killed."""

    async def look_up(message: bytes, call: Call) -> bytes:  # noqa: ARG001
        return answers[message]

    transport = AsyncioTransport(
        [Unary(PREDICT, look_up, _LARGEST)], Place("127.0.0.1", port), max_message_bytes=_LARGEST
    )
    await transport.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=lambda: new_event_loop(ServerConfig.busy_poll_us / 1e6)) as runner:
        runner.run(serve(pickle.loads(Path(sys.argv[1]).read_bytes()), int(sys.argv[2])))  # noqa: S301 - our own file
