"""The composition root: repository, manager, services and a transport become one server."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from serving.config import ServerConfig
from serving.dispatch import Dispatcher
from serving.engines.saved_model import load_saved_model
from serving.manager import Manager
from serving.services.health_service import HealthService
from serving.services.model_service import ModelService
from serving.services.predict_service import PredictService
from serving.services.reflection_service import ReflectionService
from serving.status import ServerError
from serving.transports.grpcio import GrpcioTransport
from serving.transports.transport import Stream, Unary
from serving.wire import (
    GET_MODEL_METADATA,
    GET_MODEL_STATUS,
    HEALTH_CHECK,
    HEALTH_WATCH,
    PREDICT,
    REFLECTION_INFO,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Server:
    """A model server, in this process.

    Example:
        >>> with serving.Server("saved_models", port=0) as server:  # doctest: +SKIP
        ...     client = serving.Client(f"localhost:{server.port}")

    State: an event loop in a thread of its own, worker threads, and a thread that watches the repository. `start`, `stop`
    and the context manager may be used from any one thread.
    """

    def __init__(
        self, repository: str | Path | None = None, *, config: ServerConfig | None = None, **fields: Any
    ) -> None:
        """Prepare a server; nothing happens before `start`.

        Args:
            repository: the folder of models; `saved_models` where neither this nor the config says otherwise.
            config: how the server behaves.
            **fields: fields of ServerConfig, which win over `config`.

        Raises:
            ServerError: a field has an unusable value, or the repository is none.
        """
        if repository is not None:
            fields["repository"] = repository
        self.config = replace(config or ServerConfig(), **fields)
        self.port = self.config.port
        self._loop = asyncio.new_event_loop()
        self._loop_thread = threading.Thread(target=self._loop.run_forever, name="zoo-loop", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="zoo-repository", daemon=True)
        self._stopping = threading.Event()
        self._ready = False
        self._started = False
        repository_on_disk = self.config.models()
        repository_on_disk.check()
        self.manager = Manager(repository_on_disk, self.config.version_policy(), load_saved_model)
        self._dispatcher = Dispatcher(threads=self.config.threads, max_pending=self.config.max_pending)
        self._health = HealthService()
        self._transport = GrpcioTransport(
            self._methods(),
            host=self.config.host,
            port=self.config.port,
            max_message_bytes=self.config.max_message_bytes,
            credentials=self.config.credentials,
        )

    def start(self) -> Self:
        """Listen, load the models, and report healthy; returns when all of that is done.

        Raises:
            ServerError: the address cannot be had.
        """
        self._started = True
        self._loop_thread.start()
        try:
            self.port = self._run(self._transport.start())
        except ServerError:
            self.stop(grace=0)
            raise
        self.manager.on_change(self._update_health)
        self.manager.refresh()
        self._ready = True
        self._update_health()
        models = self.manager.models()
        live = [name for name, available in models.items() if available]
        logger.info("listening on %s:%d, serving %s", self.config.host, self.port, ", ".join(live) or "no model yet")
        if self.config.poll_seconds:
            self._watcher.start()
        return self

    def stop(self, grace: float = 30.0) -> None:
        """Drain: report unhealthy, take no more calls, let running ones finish for `grace` seconds, then close."""
        if self._stopping.is_set() or not self._started:
            return
        self._stopping.set()
        self._run(self._health.close())
        self._run(self._transport.stop(grace))
        if self._watcher.is_alive():
            self._watcher.join()
        self._dispatcher.close()
        self.manager.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._loop_thread.join()
        self._loop.close()

    def refresh(self) -> None:
        """Look for new versions now rather than at the next poll; returns when they are live."""
        self.manager.refresh()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _methods(self) -> list[Unary | Stream]:
        predict = PredictService(
            self.manager,
            max_message_bytes=self.config.max_message_bytes,
            max_batch_rows=self.config.max_batch_rows,
        )
        models = ModelService(self.manager)
        wrap = self._dispatcher.wrap
        return [
            Unary(PREDICT, wrap(predict.predict)),
            Unary(GET_MODEL_METADATA, wrap(predict.get_model_metadata)),
            Unary(GET_MODEL_STATUS, wrap(models.get_model_status)),
            Unary(HEALTH_CHECK, self._health.check),
            Stream(HEALTH_WATCH, self._health.watch),
            Stream(REFLECTION_INFO, ReflectionService().info),
        ]

    def _update_health(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._run(self._health.update(ready=self._ready, models=self.manager.models()))

    def _watch(self) -> None:
        while not self._stopping.wait(self.config.poll_seconds):
            try:
                self.manager.refresh()
            except Exception:
                logger.exception("cannot look at %s; trying again", self.config.repository)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
