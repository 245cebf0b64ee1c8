"""What a supervisor and its workers say to one another.

supervisor                      worker
  Orders                    ->                what to serve, and where
                            <-  Refused       it cannot; the process ends
                            <-  Loaded        its models are
  Listen                    ->                take calls from now on
                            <-  Listening
                            <-  Request       a caller wants this of all workers
  Request                   ->                do it: to every worker, the one that asked among them
                            <-  Answer
  Answers                   ->                to the one that asked
                            <-  WorkerState   a config file was changed, and what is served with it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from serving.caller import Caller
from serving.choices import Choices
from serving.status import Code, StatusError
from serving.workers.ports import Ports


@dataclass(frozen=True)
class WorkerState:
    """What a worker that is started now has to serve, to be like the others."""

    choices: Choices
    config_content: bytes | None = None
    """Of the config file, as it was when it was last looked at."""


@dataclass(frozen=True)
class Orders:
    """What a worker is to be."""

    worker: int
    """Its number, from 0."""
    flags: Mapping[str, Any]
    """Of `zoo serve`, by name."""
    ports: Ports
    state: WorkerState | None
    """None of the first workers: they serve what the flags say."""


@dataclass(frozen=True)
class Refused:
    """A worker cannot serve, and why."""

    reason: str


@dataclass(frozen=True)
class Loaded:
    """A worker has loaded what it is to serve."""


@dataclass(frozen=True)
class Listen:
    """A worker is to take calls."""


@dataclass(frozen=True)
class Listening:
    """A worker takes calls."""


@dataclass(frozen=True)
class Request:
    """A call that is to be answered by every worker."""

    number: int
    """Of its sender's."""
    path: str
    message: bytes
    caller: Caller | None
    """Who calls; None where the server tells no callers apart."""
    peer: str


@dataclass(frozen=True)
class Failure:
    """A StatusError, as it can be sent."""

    code: Code
    message: str
    field: str | None = None
    retry_after: float | None = None

    @classmethod
    def of(cls, error: StatusError) -> Self:
        """Return what an error says."""
        return cls(error.code, error.message, error.field, error.retry_after)

    def error(self) -> StatusError:
        """Return the error."""
        return StatusError(self.code, self.message, field=self.field, retry_after=self.retry_after)


Outcome = bytes | Failure


@dataclass(frozen=True)
class Answer:
    """What one worker answers to a Request."""

    number: int
    outcome: Outcome
    state: WorkerState | None = None
    """What it serves now, where the request may have changed that."""


@dataclass(frozen=True)
class Answers:
    """What all workers answer to the Request of one."""

    number: int
    outcomes: Mapping[int, Outcome]
    """By worker."""
