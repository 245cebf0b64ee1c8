"""grpc.health.v1.Health: Check and Watch, overall (the empty name) and per model.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md. The library's own servicer needs a thread per
watcher or a server of grpcio's; this one works behind any transport.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from grpc_health.v1 import health_pb2 as pb

from serving.services.messages import parse
from serving.status import Code, StatusError, invalid
from serving.transports.transport import Call

OVERALL = ""


class HealthService:
    """Knows what is healthy. Lives in one event loop; only `update` and `close` change it."""

    def __init__(self, may_use: Callable[[str], bool] = lambda _: True) -> None:
        """Begin with an unhealthy server.

        Args:
            may_use: whether who calls may use a model; of others it is told what is told of models that are not there.
        """
        self._may_use = may_use
        self._statuses: dict[str, int] = {OVERALL: pb.HealthCheckResponse.NOT_SERVING}
        self._changed = asyncio.Condition()
        self._closed = False

    async def update(self, *, ready: bool, models: dict[str, bool]) -> None:
        """Set what is healthy now and tell the watchers."""
        if self._closed:
            return
        serving, not_serving = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING
        flags = {OVERALL: ready, **models}
        await self._set({name: serving if healthy else not_serving for name, healthy in flags.items()})

    async def close(self) -> None:
        """Say NOT_SERVING for everything, once and for all."""
        self._closed = True
        await self._set(dict.fromkeys(self._statuses, pb.HealthCheckResponse.NOT_SERVING))

    async def _set(self, statuses: dict[str, int]) -> None:
        async with self._changed:
            self._statuses = statuses
            self._changed.notify_all()

    async def check(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell the status of a service. Raises StatusError on an unknown one."""
        service = parse(pb.HealthCheckRequest, message).service
        if service not in self._statuses or not self._is_told(service):
            raise StatusError(Code.NOT_FOUND, f"unknown service {service!r}: ask for '' or a model's name")
        return _response(self._statuses[service])

    async def watch(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:  # noqa: ARG002
        """Tell the status of a service now and at every change; SERVICE_UNKNOWN as long as it is not known."""
        first = await anext(messages, None)
        if first is None:
            raise invalid("Watch needs a HealthCheckRequest: '' or a model's name")
        service = parse(pb.HealthCheckRequest, first).service
        watched, told = service if self._is_told(service) else None, None
        while told is None or not self._closed:
            told = await self._other_than(told, watched)
            yield _response(told)

    def _is_told(self, service: str) -> bool:
        return service == OVERALL or self._may_use(service)

    async def _other_than(self, told: int | None, service: str | None) -> int:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._status(service) != told)
            return self._status(service)

    def _status(self, service: str | None) -> int:
        unknown: int = pb.HealthCheckResponse.SERVICE_UNKNOWN
        return unknown if service is None else self._statuses.get(service, unknown)


def _response(status: int) -> bytes:
    return bytes(pb.HealthCheckResponse(status=status).SerializeToString())
