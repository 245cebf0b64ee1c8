"""inference.GRPCInferenceService: ModelStreamInfer."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from serving.call_record import CallRecord
from serving.protos import inference_pb2 as pb
from serving.services.messages import parse
from serving.status import Code, StatusError
from serving.transports.transport import Call, UnaryHandler

logger = logging.getLogger(__name__)

_MAX_MESSAGE = 2000  # of an error, as of a call's
_STRICT_KEY = "triton_grpc_error"
"""A client that sends this metadata, "true", has its stream end with the status of the first error."""


@dataclass(frozen=True)
class StreamLimits:
    """What of one stream may be read and not answered yet; gRPC's flow control makes the client wait with more."""

    requests: int = 64
    bytes: int = 64 << 20
    """Of requests: no further one is read once it is reached."""


class InferStream:
    """Answers the requests of a stream in the order in which they came, as Triton does; they are computed side by side.

    A request that fails is answered with its error, and the stream goes on. Lives in one event loop.
    """

    def __init__(self, answer_one: UnaryHandler, path: str, limits: StreamLimits | None = None) -> None:
        """Answer each ModelInferRequest with the ModelStreamInferResponse of `answer_one`, both serialized."""
        self._answer_one = answer_one
        self._path = path
        self._limits = limits or StreamLimits()

    async def answer(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        """Answer a stream. Raises StatusError where the client asked to have it ended by an error."""
        answers: asyncio.Queue[tuple[asyncio.Task[bytes], int] | None] = asyncio.Queue()
        window = _Window(self._limits)
        strict = call.metadata.get(_STRICT_KEY) == "true"
        tasks: set[asyncio.Task[bytes]] = set()

        async def read() -> None:
            try:
                async for message in messages:
                    task = asyncio.create_task(self._answer(message, _Request(call, self._path), strict=strict))
                    tasks.add(task)
                    window.enter(len(message))
                    answers.put_nowait((task, len(message)))
                    await window.has_room()
            finally:
                answers.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (following := await answers.get()) is not None:
                task, size = following
                yield await task
                tasks.discard(task)
                window.leave(size)  # after it was sent: who does not read answers gets no more requests read
            await reader
        finally:
            for unfinished in (reader, *tasks):
                unfinished.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(reader, *tasks, return_exceptions=True)

    async def _answer(self, message: bytes, request: "_Request", *, strict: bool) -> bytes:
        try:
            return await self._answer_one(message, request)
        except StatusError as error:
            told = error
        except Exception:
            logger.exception("%s failed", self._path)
            told = StatusError(Code.INTERNAL, "internal error; the server's log tells more")
        if strict:
            raise told
        return _failed(message, told)


class _Window:
    """Counts what was read and not answered yet."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._requests = self._bytes = 0
        self._left = asyncio.Event()

    def enter(self, size: int) -> None:
        self._requests += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        self._requests -= 1
        self._bytes -= size
        self._left.set()

    async def has_room(self) -> None:
        while self._requests >= self._limits.requests or self._bytes >= self._limits.bytes:
            self._left.clear()
            await self._left.wait()


class _Request:
    """One request of a stream as a call of its own, with a record of its own; see Call."""

    def __init__(self, stream: Call, path: str) -> None:
        self._stream = stream
        self.record = CallRecord(path)
        self.trailing: MutableMapping[str, str | bytes] = {}

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        return self._stream.metadata

    @property
    def peer(self) -> str:
        return self._stream.peer

    @property
    def identities(self) -> Sequence[str]:
        return self._stream.identities

    def time_remaining(self) -> float | None:
        return self._stream.time_remaining()


def _failed(message: bytes, error: StatusError) -> bytes:
    """Return the response that tells an error, and of which request."""
    response = pb.ModelStreamInferResponse(error_message=error.message[:_MAX_MESSAGE])
    with contextlib.suppress(StatusError):
        response.infer_response.id = parse(pb.ModelInferRequest, message).id
    return response.SerializeToString()
