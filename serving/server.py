"""The composition root: repository, manager, services and a transport become one server."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from serving.afterwards import Afterwards
from serving.answering import Limits
from serving.authentication import Authentication, watch_access
from serving.busy_polling import new_event_loop
from serving.call_log import log_call
from serving.config import ServerConfig
from serving.control import DISABLED, ELSEWHERE, without_control, without_reflection
from serving.engines.engine import EngineLoader
from serving.engines.tensorflow_runtime import set_parallelism
from serving.grpc_transport import grpc_transport
from serving.interceptors import Drain, Interceptor, intercepted
from serving.manager import Manager
from serving.methods import Foundation, all_methods
from serving.metrics import CallMetrics, LoadMetrics
from serving.nan_policy import REFUSE
from serving.offload import Offload
from serving.permitted_models import PermittedModels
from serving.predictor import Predictor
from serving.recent_gate import RecentGate
from serving.recent_requests import RecentRequests
from serving.recorder import Listener, Recorder
from serving.recording.request_log import RequestLog
from serving.repository import ModelSource
from serving.scheduler import Scheduler
from serving.services.health_service import HealthService
from serving.statistics import Statistics
from serving.status import ServerError
from serving.transports.place import Place
from serving.transports.port_flags import OPERATORS
from serving.transports.transport import Stream, Transport, Unary
from serving.watcher import ConfigFile, Watcher
from serving.wire import HEALTH_CHECK, HEALTH_WATCH, HTTP_LIVE, HTTP_READY, METRICS
from serving.workers.messages import WorkerState
from serving.workers.peers import Peers

logger = logging.getLogger(__name__)

_LAST_BYTES = 2.0  # seconds, for what is computed to reach its caller, and for threads to end

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
        self,
        repository: str | Path | None = None,
        *,
        config: ServerConfig | None = None,
        load_engine: EngineLoader | None = None,
        interceptors: Sequence[Interceptor] = (),
        peers: Peers | None = None,
        **fields: Any,
    ) -> None:
        """Prepare a server; nothing happens before `start`.

        Args:
            repository: the folder of models; `saved_models` where neither this nor the config says otherwise.
            config: how the server behaves.
            load_engine: what executes a version; where not given, TensorFlow or LiteRT, as its files and the config say.
            interceptors: what else stands around every call, of gRPC and HTTP, inside of what the server itself puts there.
            peers: the other workers, of one that shares its ports with them.
            **fields: fields of ServerConfig, which win over `config`.

        Raises:
            ServerError: a field has an unusable value, or the repository is none.
            StatusError: the config file cannot be read, or names models that cannot be served.
        """
        if repository is not None:
            fields["repository"] = repository
        self.config = replace(config or ServerConfig(), **fields)
        if self.config.workers is not None and peers is None:
            raise ServerError(
                f"workers {self.config.workers}: this is one process; `zoo serve --workers` starts several"
            )
        self._peers = peers
        self.port = self.config.port
        self.admin_port = self.config.admin_port
        self.rest_api_port = self.config.rest_api_port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._ready = False
        self._config_file: ConfigFile | None = None
        if self.config.model_config_file:
            taken = None if peers is None else peers.tell_state
            self._config_file = ConfigFile(Path(self.config.model_config_file), taken=taken)
        rules = self.config.gate_rules()
        self._recent = RecentRequests(rules.requests, rules.max_bytes)
        self.manager = Manager(
            self._source(),
            load_engine or self.config.engine_loader(),
            loading=self.config.loading(),
            label_rules=self.config.label_rules(),
            gate=RecentGate(rules, self._recent),
        )
        if peers is not None and peers.state is not None:
            self.manager.adopt(peers.state.choices)
        self._scheduler = Scheduler.of(self.config)
        self._offload = Offload()
        self._held = self.config.held_requests()
        self._afterwards = Afterwards()
        self._drain = Drain(exempt=[HEALTH_CHECK, HEALTH_WATCH, HTTP_LIVE, HTTP_READY, METRICS])
        self._statistics = Statistics()
        self._calls = CallMetrics()
        self._stand_around_calls(interceptors)
        self._limits = Limits(
            self.config.max_message_bytes,
            self.config.max_batch_rows,
            self.config.allow_unknown_rank,
            refuse_nan=self.config.nan_inputs == REFUSE,
        )
        self._models = PermittedModels(self.manager, tells_callers_apart=self._access is not None)
        self._health = HealthService(self._models.may_use)
        counted = self._calls.nan_answers if self.config.rest_api_port else None  # nobody else shows them
        self._predictor = Predictor(self._models, self._scheduler, self._offload, self._limits, self._recent, counted)
        every = intercepted(self._methods(), self._recording)
        if self.config.disable_control_rpcs:
            every = without_control(every, DISABLED)
        public = every if self.config.admin_port is None else without_control(every, ELSEWHERE)
        if self.config.disable_reflection or self.config.admin_port is not None:
            public = without_reflection(public)
        shared = self._peers is not None
        everybodys = Place(self.config.host, self.config.port, reuse_port=shared)
        self._transport = self._grpc_transport(public, everybodys, socket_path=self.config.grpc_socket_path)
        self._admin: Transport | None = None
        if self.config.admin_port is not None:
            operators = Place(self.config.admin_host, self.config.admin_port, OPERATORS, reuse_port=shared)
            self._admin = self._grpc_transport(every, operators)
        self._http = self._http_transport(public) if self.config.rest_api_port else None

    def _stand_around_calls(self, interceptors: Sequence[Interceptor]) -> None:
        """Put together what stands around every call, the outermost first."""
        listeners: list[Listener] = [
            self._statistics.count,
            log_call,
            *([self._calls] if self.config.rest_api_port else []),
        ]
        worker = None if self._peers is None else self._peers.worker
        self._recorder = Recorder(listeners, worker=worker, later=self._afterwards.add)
        self._interceptors: list[Interceptor] = [*self._tracing(), self._recorder, self._drain]
        self._access = watch_access(self.config.access_file)
        if self._access is not None:
            self._interceptors.append(Authentication(self._access))
        self._interceptors += interceptors
        self._request_log: RequestLog | None = None
        if (recorded := self.config.request_log()) is not None:
            if self._peers is not None:
                recorded = replace(recorded, writer=f"{self._peers.worker}-")
            self._request_log = RequestLog(recorded, self.manager.recorded_share)

    def start(self) -> Self:
        """Listen, load the models, and report healthy; returns when all of that is done.

        A worker among others listens last, since calls come to it rather than to them as soon as it does.

        Raises:
            ServerError: the address cannot be had, or TensorFlow's threads cannot be set any more.
        """
        self._loop = new_event_loop(self.config.busy_poll_us / 1e6)
        self._start_thread("zoo-loop", self._loop.run_forever)
        try:
            set_parallelism(self.config.tensorflow_intra_op_parallelism, self.config.tensorflow_inter_op_parallelism)
            if self._access is not None and self.config.poll_seconds:
                access, seconds = self._access, self.config.poll_seconds
                self._start_thread("zoo-access", lambda: access.watch(seconds, self._stopping))
            if self._peers is None:
                self._listen()
                self._load()
            else:
                self._peers.start(self._loop, self._worker_state)
                self._load()
                self._peers.await_turn()
                self._listen()
        except BaseException:
            self.stop(grace=0)
            raise
        models = self.manager.models()
        live = [name for name, available in models.items() if available]
        logger.info("listening on %s:%d, serving %s", self.config.host, self.port, ", ".join(live) or "no model yet")
        if self._http is not None:
            logger.info("HTTP on %s:%d", self.config.host, self.rest_api_port)
        if self._admin is not None:
            logger.info("for operators: %s:%d", self.config.admin_host, self.admin_port)
        watcher = Watcher(
            self.manager,
            poll_seconds=self.config.poll_seconds,
            config_file=self._config_file,
            config_poll_seconds=self.config.model_config_file_poll_wait_seconds,
        )
        self._start_thread("zoo-watcher", lambda: watcher.run(self._stopping))
        return self

    def stop(self, grace: float = 30.0) -> bool:
        """Drain: report unhealthy, take no more calls, let running ones finish for `grace` seconds, then close.

        Returns:
            Whether everything that ran has finished. What has not may go on in its thread, but its caller was told.
        """
        if self._stopping.is_set() or self._loop is None:
            return True
        self._stopping.set()
        self.manager.load_no_more()
        self._run(self._health.close())
        started = time.monotonic()
        finished = self._run(self._drain.drain(grace))
        # What was abandoned by its callers may still be computed.
        finished &= self._scheduler.drain(max(0.0, grace - (time.monotonic() - started)))
        self._run(self._stop_transports(_LAST_BYTES if finished else 0))
        self._scheduler.close()
        self._offload.close()
        if self._request_log is not None:
            self._request_log.close()
        finished &= self.manager.close(timeout=_LAST_BYTES)
        self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join(timeout=_LAST_BYTES)
            finished &= not thread.is_alive()
        if not self._loop.is_running():
            self._loop.close()
        return finished

    def refresh(self) -> None:
        """Look for new versions, and at who may use what, now rather than at the next poll; returns when they are live."""
        if self._access is not None:
            self._access.refresh()
        self.manager.refresh()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> None:
        self.port = self._run(self._transport.start())
        if self._admin is not None:
            self.admin_port = self._run(self._admin.start())
        if self._http is not None:
            self.rest_api_port = self._run(self._http.start())

    def _load(self) -> None:
        self.manager.on_change(self._update_health)
        self.manager.on_change(lambda: self._recent.keep_models(self.manager.models()))
        self.manager.refresh()
        self._ready = True
        self._update_health()

    def _worker_state(self) -> WorkerState:
        return WorkerState(self.manager.choices(), None if self._config_file is None else self._config_file.content)

    def _source(self) -> ModelSource:
        if self._peers is not None and (state := self._peers.state) is not None:
            if self._config_file is not None:
                self._config_file.content = state.config_content
            return state.choices.source
        if self._config_file is not None:
            table = self._config_file.table()
            recorded = [entry.name for entry in table.entries if entry.request_logging is not None]
            if recorded and self.config.request_log_dir is None:
                logger.warning(
                    "logging_config of %s does nothing: no request is kept without --request_log_dir",
                    ", ".join(recorded),
                )
            return table
        repository = self.config.models()
        repository.check()
        return repository

    def _methods(self) -> list[Unary | Stream]:
        foundation = Foundation(
            models=self._models,
            predictor=self._predictor,
            offload=self._offload,
            limits=self._limits,
            statistics=self._statistics,
            health=self._health,
            is_serving=lambda: self._ready and not self._stopping.is_set(),
            interceptors=[*self._interceptors, *self._recording],
        )
        methods = all_methods(self.config, foundation)
        return methods if self._peers is None else self._peers.shared(methods)

    def _tracing(self) -> Sequence[Interceptor]:
        """Return what stands outside of all else, where it is asked for."""
        if not self.config.opentelemetry:
            return []
        try:
            from serving.tracing import Tracing
        except ModuleNotFoundError as error:
            raise ServerError(
                f"opentelemetry: spans need {error.name}, which is not installed: pip install 'keras-zoo[otel]'"
            ) from error
        return [Tracing()]

    @property
    def _recording(self) -> Sequence[Interceptor]:
        """What stands around every handler, inside of all interceptors."""
        return [] if self._request_log is None else [self._request_log]

    def _grpc_transport(
        self, methods: list[Unary | Stream], place: Place, *, socket_path: str | None = None
    ) -> Transport:
        return grpc_transport(
            self.config,
            intercepted(methods, self._interceptors),
            place,
            socket_path=socket_path,
            held=self._held,
            afterwards=self._afterwards,
        )

    def _http_transport(self, methods: list[Unary | Stream]) -> Transport:
        try:
            from serving.http.assembly import Parts, assemble
        except ModuleNotFoundError as error:
            raise ServerError(
                f"rest_api_port {self.config.rest_api_port}: HTTP needs {error.name}, which is not installed: "
                "pip install 'keras-zoo[rest]'"
            ) from error
        handlers = {method.path: method.handler for method in methods if isinstance(method, Unary)}
        parts = Parts(
            handlers,
            self._predictor,
            self._offload,
            self._held,
            self._calls,
            LoadMetrics(self.manager),
            self._recorder,
            self._models.may_use,
            self._scheduler.derived,
            self._peers,
        )
        return assemble(self.config, parts, [*self._interceptors, *self._recording])

    async def _stop_transports(self, grace: float) -> None:
        transports = (self._transport, self._admin, self._http)
        await asyncio.gather(*(transport.stop(grace) for transport in transports if transport is not None))

    def _update_health(self) -> None:
        if not self._stopping.is_set():  # then the health has been settled, and nobody is left to be told
            self._run(self._health.update(ready=self._ready, models=self.manager.models()))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None  # noqa: S101 - `start` made it
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _start_thread(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
