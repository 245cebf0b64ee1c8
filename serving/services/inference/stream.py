"""inference.GRPCInferenceService: ModelStreamInfer."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence

from serving.call_record import CallRecord
from serving.protos import inference_pb2 as pb
from serving.services.messages import parse
from serving.status import Code, StatusError
from serving.transports.transport import Call, UnaryHandler

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 64
"""Requests of one stream that are read and not answered yet; gRPC's flow control makes the client wait with more."""
_MAX_MESSAGE = 2000  # of an error, as of a call's
_STRICT_KEY = "triton_grpc_error"
"""A client that sends this metadata, "true", has its stream end with the status of the first error."""


class InferStream:
    """Answers the requests of a stream in the order in which they came, as Triton does; they are computed side by side.

    A request that fails is answered with its error, and the stream goes on. Lives in one event loop.
    """

    def __init__(self, answer_one: UnaryHandler, path: str, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        """Answer each ModelInferRequest with the ModelStreamInferResponse of `answer_one`, both serialized."""
        self._answer_one = answer_one
        self._path = path
        self._max_in_flight = max_in_flight

    async def answer(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        """Answer a stream. Raises StatusError where the client asked to have it ended by an error."""
        answers: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()
        slots = asyncio.Semaphore(self._max_in_flight)
        strict = call.metadata.get(_STRICT_KEY) == "true"
        tasks: set[asyncio.Task[bytes]] = set()

        async def read() -> None:
            try:
                await slots.acquire()
                async for message in messages:
                    task = asyncio.create_task(self._answer(message, _Request(call, self._path), strict=strict))
                    tasks.add(task)
                    answers.put_nowait(task)
                    await slots.acquire()
            finally:
                answers.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (task := await answers.get()) is not None:
                yield await task
                tasks.discard(task)
                slots.release()  # after it was sent: who does not read answers gets no more requests read
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
