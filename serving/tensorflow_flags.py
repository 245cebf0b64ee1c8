"""The flags of tensorflow_model_server: what each does here, or why it does nothing. The one table of them.

Source: tensorflow_serving/model_servers/main.cc.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a flag takes."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "string"
    FILE = "file"


class Group(Enum):
    """What a flag is about, as `zoo serve --help` has it."""

    MODELS = "models"
    NETWORK = "network"
    LOADING = "loading"
    HTTP = "HTTP"
    COMPUTING = "computing"
    BATCHING = "batching"
    NOTHING = "accepted without effect"


@dataclass(frozen=True)
class Flag:
    """One flag."""

    name: str
    kind: Kind
    group: Group
    does: str
    """What it does here; of Group.NOTHING, why it does nothing."""
    field: str | None = None
    """The field of ServerConfig that it sets as it is; None where it takes more than that, or nothing is set."""


_M, _N, _L, _H, _C, _B, _0 = Group
_BOOL, _INT, _FLOAT, _TEXT, _FILE = Kind

FLAGS = (
    Flag("model_name", _TEXT, _M, "name of the one model under --model_base_path (default: default)"),
    Flag("model_base_path", _FILE, _M, "folder of that model's versions"),
    Flag("model_config_file", _FILE, _M, "ModelServerConfig that says what is served; --model_name and --model_base_path "
         "are ignored beside it", "model_config_file"),
    Flag("model_config_file_poll_wait_seconds", _FLOAT, _M, "how often to look for changes of it; 0 for never (default)",
         "model_config_file_poll_wait_seconds"),
    Flag("file_system_poll_wait_seconds", _FLOAT, _M, "how often to look for new versions; 0 for never (default: 1)",
         "poll_seconds"),
    Flag("allow_version_labels_for_unavailable_models", _BOOL, _M, "let a new label point at a version that is not loaded",
         "allow_version_labels_for_unavailable_models"),
    Flag("force_allow_any_version_labels_for_unavailable_models", _BOOL, _M,
         "let any label point at a version that is not loaded", "force_allow_any_version_labels_for_unavailable_models"),
    Flag("port", _INT, _N, "port of gRPC; 0 for any free one (default: 8500)", "port"),
    Flag("grpc_socket_path", _TEXT, _N, "UNIX socket to listen on too", "grpc_socket_path"),
    Flag("grpc_channel_arguments", _TEXT, _N, "options of the gRPC library, as grpc.max_connection_age_ms=2000,..."),
    Flag("grpc_max_threads", _INT, _N, "requests computed at once, as --threads"),
    Flag("ssl_config_file", _FILE, _N, "SSLConfig with the server's key and certificate, for TLS"),
    Flag("use_alts_credentials", _BOOL, _N, "true is refused: ALTS is for Google's cloud, --ssl_config_file gives TLS"),
    Flag("enable_grpc_healthcheck_service", _BOOL, _0, "grpc.health.v1.Health is always there"),
    Flag("num_load_threads", _INT, _L, "models loaded at once; 0 for one after the other (default)", "num_load_threads"),
    Flag("num_unload_threads", _INT, _L, "versions unloaded at once; 0 for one after the other (default)",
         "num_unload_threads"),
    Flag("max_num_load_retries", _INT, _L, "how often to try again to load a version (default: 5)", "max_num_load_retries"),
    Flag("load_retry_interval_micros", _INT, _L, "time between tries; negative for none (default: 60000000)",
         "load_retry_interval_micros"),
    Flag("saved_model_tags", _TEXT, _L, "tags of the graph to load, with commas (default: serve)", "saved_model_tags"),
    Flag("prefer_tflite_model", _BOOL, _L, "load model.tflite of a version that has one", "prefer_tflite_model"),
    Flag("use_tflite_model", _BOOL, _L, "what --prefer_tflite_model was called", "prefer_tflite_model"),
    Flag("num_tflite_pools", _INT, _L, "requests to a model.tflite at once (default: the cores)", "num_tflite_pools"),
    Flag("num_tflite_interpreters_per_pool", _INT, _L, "times as many (default: 1)", "num_tflite_interpreters_per_pool"),
    Flag("enable_model_warmup", _BOOL, _L, "run assets.extra/tf_serving_warmup_requests before a version answers (default)",
         "enable_model_warmup"),
    Flag("num_request_iterations_for_warmup", _INT, _0, "each of them is run once: what is slow is the first call"),
    Flag("rest_api_port", _INT, _H, "port of the HTTP API; 0 for none (default), -1 for any free one", "rest_api_port"),
    Flag("rest_api_num_threads", _INT, _0, "HTTP is answered in the event loop; --threads sets what is computed at once"),
    Flag("rest_api_timeout_in_ms", _INT, _H, "how long an answer may take; 0 for no limit (default: 30000)",
         "rest_api_timeout_in_ms"),
    Flag("rest_api_enable_cors_support", _BOOL, _H, "let scripts of any web page ask", "rest_api_enable_cors_support"),
    Flag("monitoring_config_file", _FILE, _H, "MonitoringConfig with a path for metrics, beside /metrics"),
    Flag("tensorflow_session_parallelism", _INT, _C, "both of the next two (default: the cores)"),
    Flag("tensorflow_intra_op_parallelism", _INT, _C, "threads of one operation", "tensorflow_intra_op_parallelism"),
    Flag("tensorflow_inter_op_parallelism", _INT, _C, "operations at once", "tensorflow_inter_op_parallelism"),
    Flag("enable_signature_method_name_check", _BOOL, _C, "let Classify and Regress call only signatures made for them",
         "enable_signature_method_name_check"),
    Flag("enable_serialization_as_tensor_content", _BOOL, _C, "answer numbers in tensor_content, which is quicker",
         "enable_serialization_as_tensor_content"),
    Flag("enable_batching", _BOOL, _B, "gather requests into batches", "enable_batching"),
    Flag("batching_parameters_file", _FILE, _B, "BatchingParameters; goes with --enable_batching"),
    Flag("enable_per_model_batching_parameters", _BOOL, _B, "batch only versions with a batching_params.pbtxt, as that says",
         "enable_per_model_batching_parameters"),
    Flag("tensorflow_session_config_file", _FILE, _0,
         "there is no session; --tensorflow_intra_op_parallelism and others set threads"),
    Flag("platform_config_file", _FILE, _0, "there is one platform, tensorflow, and it is set by the other flags"),
    Flag("thread_pool_factory_config_file", _FILE, _0, "thread pools cannot be plugged in; --threads sets their size"),
    Flag("per_process_gpu_memory_fraction", _FLOAT, _0, "GPU memory is taken as it is needed"),
    Flag("flush_filesystem_caches", _BOOL, _0, "the operating system drops cached files by itself where memory is wanted"),
    Flag("remove_unused_fields_from_bundle_metagraph", _BOOL, _0, "only signatures are kept of it anyway"),
    Flag("enforce_session_run_timeout", _BOOL, _0, "deadlines of clients are always kept"),
    Flag("xla_cpu_compilation_enabled", _BOOL, _0, "a function that was exported with jit_compile is always compiled"),
    Flag("xla_gpu_compilation_enabled", _BOOL, _0, "a function that was exported with jit_compile is always compiled"),
    Flag("enable_profiler", _BOOL, _0, "there is no profiler service"),
    Flag("mixed_precision", _TEXT, _0, "a model computes in the precision that it was exported in"),
    Flag("skip_initialize_tpu", _BOOL, _0, "models are served on processors and GPUs"),
)  # fmt: skip
"""All of them, in the order of `zoo serve --help`."""
