"""How long a connection may take over things, looked at now and then rather than by a timer for each."""

import random
from enum import Enum

from serving.status import Code, StatusError
from serving.transports.http2.frames import PING, frame
from serving.transports.http2.receiver import Receiver
from serving.transports.http2.session import Session

_KEEPALIVE = b"you here"
_LAST_CALL_SECONDS = 2.0
_SPREAD = 0.1


class Verdict(Enum):
    """What is to become of a connection."""

    KEEP = "keep"
    ABORT = "abort"


class Patience:
    """Watches one connection. Times are those of the event loop."""

    def __init__(self, session: Session, receiver: Receiver, now: float) -> None:
        self._session = session
        self._receiver = receiver
        self._limits = session.limits
        self._began = now
        self._oldest = now + self._limits.max_age_seconds * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311
        self._frames = -1
        self._frames_since = now
        self._block_since: float | None = None
        self._stalls_since = now
        self._pinged: float | None = None
        self._drained: float | None = None
        self._over: float | None = None
        self.last_read = now
        self.paused_since: float | None = None

    def look(self, now: float) -> Verdict:
        """Do what is due, and tell whether the connection may stay."""
        if self._is_hopeless(now):
            return Verdict.ABORT
        self._drain_old_and_idle(now)
        if _passed(self._stalls_since, self._limits.stall_seconds, now):
            self._stalls_since = now
            self._end_stalled()
        return Verdict.KEEP if self._keep_alive(now) else Verdict.ABORT

    def _is_hopeless(self, now: float) -> bool:
        limits = self._limits
        if self._session.is_over:
            self._over = self._over or now
            return _passed(self._over, limits.linger_seconds, now)
        if not self._receiver.is_settled and _passed(self._began, limits.handshake_seconds, now):
            return True
        if not self._receiver.is_amid or self._receiver.frames != self._frames:
            self._frames, self._frames_since = self._receiver.frames, now
        if self._receiver.is_in_block:
            self._block_since = self._block_since or now
        else:
            self._block_since = None
        return (
            _passed(self._frames_since, limits.frame_seconds, now)
            or _passed(self._block_since, limits.frame_seconds, now)
            or _passed(self.paused_since, limits.stall_seconds, now)
        )

    def _drain_old_and_idle(self, now: float) -> None:
        session, limits = self._session, self._limits
        is_old = limits.max_age_seconds > 0 and now >= self._oldest
        if is_old or (not session.streams and _passed(session.idle_since, limits.idle_seconds, now)):
            session.drain()
        if not session.is_draining:
            return
        self._drained = self._drained or now
        if _passed(self._drained, _LAST_CALL_SECONDS, now):
            session.take_last_call()
        if is_old and limits.age_grace_seconds and now >= self._oldest + limits.age_grace_seconds:
            session.end_calls(StatusError(Code.UNAVAILABLE, "the connection is too old: call again"))
            session.take_last_call()

    def _end_stalled(self) -> None:
        """End the calls whose client neither sent nor took a byte since the last time, and owes one.

        Who takes long over the answers of a stream may: its handler waits, and what it holds is little.
        """
        for stream in list(self._session.streams.values()):
            exchange = stream.exchange
            mark = stream.received + stream.unsent
            if exchange is None or mark != stream.stamp:
                stream.stamp = mark
            elif stream.unsent and not exchange.is_stream:
                self._session.give_up(stream)
            elif exchange.waits_for_client():
                seconds = self._limits.stall_seconds
                exchange.end(StatusError(Code.DEADLINE_EXCEEDED, f"no byte of the request came for {seconds:g} s"))

    def _keep_alive(self, now: float) -> bool:
        limits = self._limits
        if self._pinged is not None and self.last_read >= self._pinged:
            self._pinged = None
        if self._pinged is not None:
            return not _passed(self._pinged, limits.keepalive_timeout_seconds, now)
        if not self._session.is_over and _passed(self.last_read, limits.keepalive_seconds, now):
            self._pinged = now
            self._session.ping(frame(PING, 0, 0, _KEEPALIVE))
        return True


def _passed(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and seconds > 0 and now - since >= seconds
