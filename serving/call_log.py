"""Logs: one line a call, and lines as JSON. Never what a request or an answer holds, and never its metadata."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from serving.call_record import CallRecord
from serving.recorder import request_id
from serving.status import Code

logger = logging.getLogger(__name__)

_EXPECTED = {Code.OK, Code.CANCELLED}
_FIELDS = "call"
_LONGEST_ID = 128


def log_call(record: CallRecord) -> None:
    """Log a call that has ended: at debug where it went well, else at info."""
    level = logging.DEBUG if record.code in _EXPECTED else logging.INFO
    if not logger.isEnabledFor(level):
        return
    milliseconds = {phase: round(seconds * 1000, 3) for phase, seconds in record.seconds.items()}
    facts: dict[str, Any] = {
        "request_id": record.request_id[:_LONGEST_ID],  # the protocol may have one of its own, of any length
        "method": record.method,
        "code": record.code.name,
        "model": record.model,
        "version": record.version,
        "signature": record.signature,
        "rows": record.rows,
        "batch_rows": record.batch_rows,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "milliseconds": milliseconds,
    }
    known = {name: value for name, value in facts.items() if value not in ("", None, 0, {})}
    total = milliseconds.get("total", 0.0)
    model = f" {record.model}" if record.model else ""
    logger.log(
        level, "%s%s %s in %.1f ms", record.method, model, record.code.name, total, extra={_FIELDS: known}
    )  # fmt: skip


def set_up_logging(level: str, *, as_json: bool, worker: int | None = None) -> None:
    """Have the process log to standard error, a line of text or of JSON for every record; of a worker with its number."""
    speaker = "" if worker is None else f"worker {worker}: "
    logging.basicConfig(
        level=level.upper(), format=f"%(asctime)s %(levelname)s {speaker}%(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    if as_json:
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter(worker))


class JsonFormatter(logging.Formatter):
    """Writes a line of JSON for every record: time (UTC), level, logger, message, request_id, and of calls their facts.

    With the number of a worker, that too.
    """

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._worker is not None:
            line["worker"] = self._worker
        if current := request_id.get():
            line["request_id"] = current
        line |= getattr(record, _FIELDS, {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
