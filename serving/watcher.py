"""Looks for new versions, new models and a new config while a server runs."""

import logging
import math
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from serving.manager import Manager
from serving.model_server_config import read_model_table
from serving.repository import ModelTable
from serving.status import Code, StatusError
from serving.text_proto import LARGEST

logger = logging.getLogger(__name__)

_LONGEST_WAIT = 1.0  # seconds; what a caller has the manager load may have to be tried again sooner than anything else


class ConfigFile:
    """A `--model_config_file` that is read again and again. For one thread at a time."""

    def __init__(self, path: Path, *, taken: Callable[[], None] | None = None) -> None:
        """Read this file; `taken` is called whenever a manager was told what it says anew."""
        self._path = path
        self._taken = taken
        self.content: bytes | None = None
        """As it was when it last could be used: only what differs is looked at."""
        self._complaint = ""

    def table(self) -> ModelTable:
        """Return what it says. Raises StatusError where that is nothing that can be served; nothing at all can."""
        self.content = self._content()
        found = read_model_table(self._path)
        if found is None:
            logger.warning("%s is empty: there is nothing to serve until it is not", self._path)
        return found or ModelTable()

    def look(self, manager: Manager) -> None:
        """Have a manager serve what the file says, if it was changed; a config that is wrong changes nothing."""
        content = self._content()
        if content == self.content:
            return
        try:
            table = self._next_table()
        except StatusError as error:
            self._complain(error)
            return
        logger.info("%s was changed", self._path)
        self.content = content
        try:
            manager.reload(table)
        except StatusError as error:
            self._complain(error)
        else:
            self._complaint = ""
        if self._taken is not None:
            self._taken()

    def _next_table(self) -> ModelTable:
        table = read_model_table(self._path)
        if table is None:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f"{self._path} is empty. Cannot transition to requested config. It is only legal to transition from one "
                "ModelConfigList to another; write model_config_list {} to serve nothing",
            )
        table.check()
        return table

    def _content(self) -> bytes | None:
        try:
            if not self._path.is_file():
                return None
            with self._path.open("rb") as file:
                return file.read(LARGEST + 1)
        except OSError:
            return None

    def _complain(self, error: StatusError) -> None:
        """Log what is wrong once, and not at every look."""
        if error.message != self._complaint:
            self._complaint = error.message
            logger.error("cannot serve all that %s says: %s", self._path, error)


class Watcher:
    """Has a manager look again and again, until a server stops. Lives in a thread of its own."""

    def __init__(
        self,
        manager: Manager,
        *,
        poll_seconds: float,
        config_file: ConfigFile | None = None,
        config_poll_seconds: float = 0.0,
    ) -> None:
        """Look for versions and for a new config every so many seconds; 0 for never."""
        self._manager = manager
        self._config_file = config_file
        self._seconds = poll_seconds or math.inf
        self._config_seconds = config_poll_seconds or math.inf

    def run(self, stopping: threading.Event) -> None:
        """Look until the event is set."""
        scan_at, config_at = monotonic() + self._seconds, monotonic() + self._config_seconds
        while True:
            retry_in = self._manager.retry_in()
            retry_at = math.inf if retry_in is None else monotonic() + retry_in
            due = min(scan_at, config_at, retry_at)
            if stopping.wait(min(_LONGEST_WAIT, max(0.0, due - monotonic()))):
                return
            now = monotonic()
            try:
                if now >= config_at and self._config_file is not None:
                    config_at = now + self._config_seconds
                    self._config_file.look(self._manager)
                if now >= min(scan_at, retry_at):
                    scan_at = now + self._seconds
                    self._manager.glance()
            except Exception:
                logger.exception("cannot look for models; trying again")
