"""What a person chooses about a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.codec import DEFAULT_MAX_BYTES
from serving.cores import available_cores
from serving.engines.engine import EngineLoader
from serving.engines.findings import ENGINES, SAVED_MODEL
from serving.engines.options import EngineOptions
from serving.gate_rules import GateRules
from serving.held_requests import HeldRequests
from serving.isolation.loader import IsolatingLoader
from serving.latency_target import LatencyTarget
from serving.loader import Loading
from serving.monitoring_config import MonitoringConfig
from serving.nan_policy import ACCEPT, REFUSE
from serving.recording.request_log import RequestLogConfig
from serving.repository import Repository, VersionPolicy
from serving.status import ServerError
from serving.tls import Tls
from serving.version_labels import LabelRules

TRANSPORTS = ("asyncio", "grpcio")
"""What can speak gRPC."""


def _threads() -> int:
    return max(4, available_cores())


@dataclass(frozen=True)
class ServerConfig:
    """How a server behaves; every field has a default that suits one machine. Raises ServerError on a bad value.

    Fields that tensorflow_model_server has a flag for are named as it is, docs/serving.md lists them.
    """

    # What is served.
    repository: str | Path = "saved_models"
    """A folder of models, `<model>/<version>/saved_model.pb`; or, with `model_name`, the folder of that one model."""
    model_name: str | None = None
    model_config_file: str | Path | None = None
    """A ModelServerConfig as text, which says what is served in the repository's stead."""
    model_config_file_poll_wait_seconds: float = 0.0
    """How often to look whether that was changed; 0 for never."""
    versions: str = "latest"
    """Of every model of a repository: `latest`, `latest:2`, `all`, or numbers: `3,5`."""
    poll_seconds: float = 1.0
    """How often to look for new versions; 0 for never."""
    allow_version_labels_for_unavailable_models: bool = False
    force_allow_any_version_labels_for_unavailable_models: bool = False
    admin_port: int | None = None
    """Set: calls that say what is served, and reflection, are answered on this port alone; 0 for any free one."""
    admin_host: str = "127.0.0.1"
    """Address of that port."""
    disable_reflection: bool = False
    """Whether callers may not ask which methods there are; with `admin_port` they can there."""
    disable_control_rpcs: bool = False
    """Whether callers may not say what is served."""

    # How it is loaded.
    num_load_threads: int = 0
    """How many models are loaded at once; 0 for one after the other."""
    num_unload_threads: int = 0
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    """Between tries to load a version; 0 or less for no wait."""
    saved_model_tags: str = "serve"
    """Tags of the graph to load, with commas between them."""
    engine: str = SAVED_MODEL
    """What runs SavedModels: `saved_model`, TensorFlow in this process; `auto`, for each signature the fastest of what
    answers as that does, found out in a child process and remembered; `frozen` or `litert`, that alone (docs/engines.md)."""
    isolate_models_over_mb: int | None = None
    """The size, in MiB, from which a version is run by a process of its own (docs/engines.md); 0 for all of them, None or a
    negative number for none."""
    prefer_tflite_model: bool = False
    """Whether a version that has a model.tflite beside its SavedModel is served by that."""
    num_tflite_pools: int = field(default_factory=available_cores)
    """How many requests to a model.tflite are computed at once."""
    num_tflite_interpreters_per_pool: int = 1
    load_on_first_use: bool = False
    """Whether versions are loaded when they are asked for, rather than at the start."""
    memory_budget_mb: int | None = None
    """What loaded versions may take in all, in MiB; then each is loaded on first use. None and 0 set no bound."""
    enable_model_warmup: bool = True
    """Whether a version answers the requests in its assets.extra/tf_serving_warmup_requests before it goes live."""
    gate_requests: int = 32
    """How many recent requests are kept of a model, in memory alone, for a new version to answer before it goes live."""
    gate_max_bytes: int = 64 << 20
    """That those of all models take together."""
    gate_max_difference: float | None = None
    """Refuses a version one of whose numbers lies further from the one before; None refuses what is broken alone."""
    gate_max_flips: float | None = None
    """Refuses a version that gives a larger share of rows another class."""

    # Where it listens.
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all of them."""
    port: int = 8500
    """0 for any free one."""
    grpc_socket_path: str | None = None
    """A UNIX socket to listen on too."""
    transport: str = "asyncio"
    """What speaks gRPC: `asyncio`, or gRPC's own library, `grpcio` (docs/transport.md)."""
    grpc_channel_arguments: Mapping[str, int | str] = field(default_factory=dict)
    """Options of gRPC's library, which win over what this server sets itself; `asyncio` knows those that matter."""
    credentials: Tls | grpc.ServerCredentials | None = None
    """TLS: `serving.tls.Certificates(...).credentials()`, or for `grpcio` what `grpc.ssl_server_credentials` returns."""
    rest_api_port: int = 0
    """Where to answer over HTTP too; 0 for nowhere, -1 for any free port. Needs the extra `rest`."""
    rest_api_timeout_in_ms: int = 30_000
    """How long an answer over HTTP may take; 0 for as long as it takes."""
    rest_api_enable_cors_support: bool = False
    """Whether scripts of any web page may ask over HTTP."""
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)

    # How it computes and answers.
    workers: int | None = None
    """Processes that serve, of `zoo serve` (docs/workers.md); None for the one that this config is given to."""
    threads: int = field(default_factory=_threads)
    """How many requests are computed at once."""
    busy_poll_us: int = 500
    """While calls follow each other that fast, in microseconds, the event loop does not sleep between them; 0 lets it."""
    tensorflow_intra_op_parallelism: int = 0
    """Threads of one operation of TensorFlow's; 0 for the cores."""
    tensorflow_inter_op_parallelism: int = 0
    """Operations of TensorFlow's at once; 0 for the cores."""
    max_pending: int = 1000
    """How many requests may be computed or wait; further ones get RESOURCE_EXHAUSTED."""
    max_pending_per_model: int | None = None
    """How many of them may be for one model; None for three quarters, so that a flooded model leaves room for others."""
    max_message_bytes: int = DEFAULT_MAX_BYTES
    """Largest request."""
    max_held_bytes: int | None = None
    """What requests may take that were received and not answered; None for 1 GiB, at least twice the largest."""
    max_batch_rows: int = 4096
    """Largest batch: it bounds the memory that one request can take."""
    allow_unknown_rank: bool = False
    """Whether to serve inputs whose rank the model does not tell, though TensorFlow ends the process on some wrong ones."""
    nan_inputs: str = ACCEPT
    """What becomes of requests with NaN in an input: `accept`, as with TensorFlow Serving, or `refuse`."""

    # What is recorded of requests.
    request_log_dir: str | Path | None = None
    """Where samples of requests and answers are kept (docs/serving.md); None keeps none."""
    request_log_rate: float = 0.01
    """The share of calls that is kept, of models whose logging_config does not say."""
    request_log_max_bytes: int = 64 << 20
    """Of a file."""
    request_log_keep: int = 8
    """Files that stay."""
    request_log_redact: str = ""
    """Inputs and outputs whose contents are never written, separated by commas."""

    opentelemetry: bool = False
    """Whether every call makes a span for OpenTelemetry (docs/serving.md). Needs the extra `otel`."""

    # Who may ask.
    access_file: str | Path | None = None
    """Who may use which models (docs/security.md); None lets everyone do everything."""
    enable_signature_method_name_check: bool = False
    """Whether Classify and Regress call only signatures of their method name, which TensorFlow 2 lets nobody write."""
    enable_serialization_as_tensor_content: bool = False
    """Whether numbers are answered in `tensor_content`, which is quicker, also to clients that do not ask for that."""

    # How requests become batches.
    adaptive_batching: bool = True
    """Whether requests that arrive while a model is busy may be computed together; none ever waits for that."""
    latency_target_ms: float | None = None
    """Within which an answer is to be computed: batches are as large as that allows by measured times, and what would come
    too late is refused at once (docs/scheduling.md). None refuses nothing for its time."""
    enable_batching: bool = False
    """Whether to gather batches as TensorFlow Serving's parameters say, in place of that."""
    batching_parameters: BatchingParameters | None = None
    """None for TensorFlow Serving's defaults."""
    enable_per_model_batching_parameters: bool = False
    """Whether versions bring their own, with `enable_batching`."""

    def __post_init__(self) -> None:
        if self.transport not in TRANSPORTS:
            raise ServerError(f"transport {self.transport!r}: expected one of {', '.join(TRANSPORTS)}")
        self._check_ports()
        self._check_fields()
        if self.batching_parameters is not None and not self.enable_batching:
            raise ServerError("batching_parameters are set without setting enable_batching to true")
        if not self.tags():
            raise ServerError(f"saved_model_tags {self.saved_model_tags!r}: expected at least one, such as 'serve'")
        self.version_policy()
        self.request_log()
        self.gate_rules()

    def _check_fields(self) -> None:
        for name, smallest in _SMALLEST.items():
            value = getattr(self, name)
            if value is not None and not value >= smallest:
                raise ServerError(f"{name} {value}: expected " + (f"at least {smallest}" if smallest else "0 or more"))
        for name, known in (("engine", ENGINES), ("nan_inputs", (ACCEPT, REFUSE))):
            if getattr(self, name) not in known:
                raise ServerError(f"{name} {getattr(self, name)!r}: expected {' or '.join(map(repr, known))}")
        if self.latency_target_ms is not None and not self.latency_target_ms > 0:
            raise ServerError(f"latency_target_ms {self.latency_target_ms:g}: expected more than 0")
        if self.workers is not None and self.grpc_channel_arguments.get("grpc.so_reuseport") == 0:
            raise ServerError("workers share a port: leave grpc.so_reuseport=0 out of grpc_channel_arguments")
        if self.rest_api_port and self.credentials is not None and not isinstance(self.credentials, Tls):
            raise ServerError(
                "these credentials are of gRPC's library, which HTTP cannot use, and plain text beside them an open door: "
                "give serving.tls.Certificates(...).credentials() for both, or no rest_api_port"
            )

    def _check_ports(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ServerError(f"port {self.port}: expected 0 (any free one) to 65535")
        if not -1 <= self.rest_api_port <= 65535:
            raise ServerError(
                f"rest_api_port {self.rest_api_port}: expected 0 (none), -1 (any free one), or 1 to 65535"
            )
        if self.admin_port is not None and not 0 <= self.admin_port <= 65535:
            raise ServerError(f"admin_port {self.admin_port}: expected 0 (any free one) to 65535")
        if self.admin_port and self.admin_port in (self.port, self.rest_api_port):
            raise ServerError(f"admin_port {self.admin_port}: everybody's port is the same, choose another")
        if self.port and self.port == self.rest_api_port:
            raise ServerError(f"rest_api_port {self.rest_api_port} cannot be same as port: choose another for HTTP")

    def gate_rules(self) -> GateRules:
        """Return what a new version has to do with recent requests. Raises ServerError on a bad value."""
        return GateRules(self.gate_requests, self.gate_max_bytes, self.gate_max_difference, self.gate_max_flips)

    def request_log(self) -> RequestLogConfig | None:
        """Return what is recorded of requests; None where nothing is. Raises ServerError on a bad value."""
        if self.request_log_dir is None:
            return None
        return RequestLogConfig(
            Path(self.request_log_dir),
            rate=self.request_log_rate,
            max_bytes=self.request_log_max_bytes,
            keep=self.request_log_keep,
            redacted=frozenset(name for each in self.request_log_redact.split(",") if (name := each.strip())),
        )

    def tags(self) -> frozenset[str]:
        """Return the tags of the graph to load."""
        return frozenset(tag for tag in self.saved_model_tags.split(",") if tag)

    def engine_loader(self) -> EngineLoader:
        """Return what loads versions."""
        interpreters = self.num_tflite_pools * self.num_tflite_interpreters_per_pool
        options = EngineOptions(tuple(sorted(self.tags())), self.engine, self.prefer_tflite_model, interpreters)
        if self.isolate_models_over_mb is None or self.isolate_models_over_mb < 0:
            return options.loader()
        return IsolatingLoader(
            options,
            over_bytes=self.isolate_models_over_mb << 20,
            intra_op=self.tensorflow_intra_op_parallelism,
            inter_op=self.tensorflow_inter_op_parallelism,
        )

    def held_requests(self) -> HeldRequests:
        """Return what counts the bytes of all requests."""
        if self.max_held_bytes is not None:
            return HeldRequests(self.max_held_bytes)
        return HeldRequests.for_messages(self.max_message_bytes)

    def models(self) -> Repository:
        """Return the repository, which counts unless there is a `model_config_file`."""
        return Repository(Path(self.repository), self.model_name, self.version_policy())

    def batching_rules(self) -> BatchingRules:
        """Return how requests are gathered."""
        if self.enable_batching:
            return BatchingRules.of(self.batching_parameters or BatchingParameters())
        return BatchingRules() if self.adaptive_batching else BatchingRules.off()

    def latency_target(self) -> LatencyTarget | None:
        """Return within which time requests are to be answered; None where any will do."""
        return None if self.latency_target_ms is None else LatencyTarget(self.latency_target_ms / 1000)

    def version_policy(self) -> VersionPolicy:
        """Return which versions of a repository's models are to be served."""
        return VersionPolicy.parse(self.versions)

    def loading(self) -> Loading:
        """Return how versions are loaded."""
        own_batching = None
        if self.enable_batching and self.enable_per_model_batching_parameters:
            own_batching = self.batching_parameters or BatchingParameters()
        return Loading(
            threads=self.num_load_threads,
            unload_threads=self.num_unload_threads,
            max_retries=self.max_num_load_retries,
            retry_seconds=self.load_retry_interval_micros / 1e6,
            enable_warm_up=self.enable_model_warmup,
            own_batching=own_batching,
            on_first_use=self.load_on_first_use or bool(self.memory_budget_mb),
            memory_bytes=self.memory_budget_mb << 20 if self.memory_budget_mb else None,
            most_waiting=self.max_pending,
        )

    def label_rules(self) -> LabelRules:
        """Return which labels may point at versions that do not answer."""
        return LabelRules(
            allow_new=self.allow_version_labels_for_unavailable_models,
            allow_any=self.force_allow_any_version_labels_for_unavailable_models,
        )


_SMALLEST = {
    "workers": 1,
    "threads": 1,
    "busy_poll_us": 0,
    "max_pending": 1,
    "max_pending_per_model": 1,
    "max_message_bytes": 1,
    "max_held_bytes": 1,
    "max_batch_rows": 1,
    "poll_seconds": 0,
    "model_config_file_poll_wait_seconds": 0,
    "memory_budget_mb": 0,
    "num_load_threads": 0,
    "num_unload_threads": 0,
    "max_num_load_retries": 0,
    "num_tflite_pools": 1,
    "num_tflite_interpreters_per_pool": 1,
    "rest_api_timeout_in_ms": 0,
    "tensorflow_intra_op_parallelism": 0,
    "tensorflow_inter_op_parallelism": 0,
}
