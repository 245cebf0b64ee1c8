"""Completes the record of every call, and hands it to whoever wants to know: statistics, metrics, logs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

from serving.call_record import CallRecord
from serving.interceptors import Interceptor
from serving.status import Code, StatusError
from serving.transports.transport import Call, StreamHandler, UnaryHandler

Listener = Callable[[CallRecord], None]
"""Told of a call when it has ended. Called in the event loop: it returns at once, and raises nothing."""


class Recorder(Interceptor):
    """Stands outermost, so that calls which others refuse are told of too. Lives in one event loop."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:  # noqa: ARG002 - the record knows its method
        """See Interceptor."""

        async def answer(message: bytes, call: Call) -> bytes:
            with self._completed(call.record):
                call.record.bytes_in += len(message)
                response = await handler(message, call)
                call.record.bytes_out += len(response)
                return response

        return answer

    def stream(self, path: str, handler: StreamHandler) -> StreamHandler:  # noqa: ARG002
        """See Interceptor."""

        async def counted(messages: AsyncIterator[bytes], record: CallRecord) -> AsyncIterator[bytes]:
            async for message in messages:
                record.bytes_in += len(message)
                yield message

        async def answer(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
            with self._completed(call.record):
                async for response in handler(counted(messages, call.record), call):
                    call.record.bytes_out += len(response)
                    yield response

        return answer

    @contextmanager
    def _completed(self, record: CallRecord) -> Iterator[None]:
        try:
            with record.timed("total"):
                yield
        except StatusError as error:
            record.code = error.code
            raise
        except (asyncio.CancelledError, GeneratorExit):
            record.code = Code.CANCELLED
            raise
        except Exception:
            record.code = Code.INTERNAL
            raise
        finally:
            for listener in self._listeners:
                listener(record)
