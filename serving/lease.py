"""A version that somebody uses, and therefore stays loaded."""

from types import TracebackType
from typing import Protocol

from serving.servable import Servable
from serving.status import Code, StatusError
from serving.version_record import VersionRecord


class DormantError(StatusError):
    """UNAVAILABLE: the version answers, but has to be loaded first."""

    def __init__(self, record: VersionRecord) -> None:
        self.record = record
        super().__init__(Code.UNAVAILABLE, f"version {record.version} of {record.name} is loaded on its first use")


class Lender(Protocol):
    """Counts who uses a version. Any thread may use it; never waits."""

    def lend(self, record: VersionRecord) -> "Lease":
        """Return a lease on a version that somebody holds."""
        ...

    def give_back(self, record: VersionRecord) -> None:
        """Count one lease less."""
        ...


class Lease:
    """One use of a version, from when it was made until it is closed: a context manager that gives the servable.

    For one thread at a time.
    """

    __slots__ = ("_is_open", "_lender", "_record", "servable")

    def __init__(self, servable: Servable, record: VersionRecord, lender: Lender) -> None:
        self.servable = servable
        self._record = record
        self._lender = lender
        self._is_open = True

    def share(self) -> "Lease":
        """Return another lease on the same version, while this one is open."""
        return self._lender.lend(self._record)

    def close(self) -> None:
        """Let the version go; a second time does nothing."""
        if self._is_open:
            self._is_open = False
            self._lender.give_back(self._record)

    def __enter__(self) -> Servable:
        return self.servable

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
