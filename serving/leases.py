"""How a call comes by the version that it needs: at once, or when it is loaded, where it is loaded on its first use."""

import asyncio
from concurrent.futures import Future
from time import monotonic

from serving.lease import DormantError, Lease
from serving.mailbox import Mailbox
from serving.model_ref import ModelRef
from serving.permitted_models import PermittedModels
from serving.status import Code, StatusError
from serving.transports.transport import Call


class Leases:
    """Leases versions for calls. Lives in one event loop."""

    def __init__(self, manager: PermittedModels) -> None:
        self._manager = manager
        self._mailbox = Mailbox()

    async def get(self, model: ModelRef, call: Call, turn_by: float | None = None) -> Lease:
        """Lease a version; it is the caller's to close.

        Args:
            model: which.
            call: for whom.
            turn_by: how long it may wait, however long its caller would, in seconds of `time.monotonic`.

        Raises:
            StatusError: as Manager.lease and Manager.lease_loaded; or DEADLINE_EXCEEDED, the load takes longer.
        """
        try:
            return self._manager.lease(model)
        except DormantError:
            coming = self._manager.lease_loaded(model)
        deadline = deadline_of(call, turn_by)
        try:
            with call.record.timed("load"):
                async with asyncio.timeout(None if deadline is None else max(0.0, deadline - monotonic())):
                    return await self._arrival(coming)
        except TimeoutError:
            raise StatusError(
                Code.DEADLINE_EXCEEDED,
                f"{model} is loaded on its first use, which takes longer than this request may wait; the load goes on: ask "
                "again, or allow more time",
            ) from None

    async def _arrival(self, coming: "Future[Lease]") -> Lease:
        try:
            return await self._mailbox.wait(coming)
        except BaseException:
            coming.add_done_callback(_close)  # it may come all the same, though its caller has gone
            raise


def deadline_of(call: Call, turn_by: float | None) -> float | None:
    """Return when a call has to have had its turn, in seconds of `time.monotonic`; None where it has time."""
    remaining = call.time_remaining()
    if remaining is None:
        return turn_by
    gives_up = monotonic() + remaining
    return gives_up if turn_by is None else min(gives_up, turn_by)


def _close(coming: "Future[Lease]") -> None:
    if not coming.cancelled() and coming.exception() is None:
        coming.result().close()
