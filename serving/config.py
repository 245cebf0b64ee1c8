"""What a person chooses about a server."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from serving.codec import DEFAULT_MAX_BYTES
from serving.engines.by_files import EngineByFiles
from serving.repository import Repository, VersionPolicy
from serving.status import ServerError


@dataclass(frozen=True)
class ServerConfig:
    """How a server behaves; every field has a default that suits one machine. Raises ServerError on a bad value."""

    repository: str | Path = "saved_models"
    """A folder of models, `<model>/<version>/saved_model.pb`; or, with `model_name`, the folder of that one model."""
    model_name: str | None = None
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all of them."""
    port: int = 8500
    """0 for any free one."""
    versions: str = "latest"
    """`latest`, `latest:2`, `all`, or numbers: `3,5`."""
    poll_seconds: float = 1.0
    """How often to look for new versions; 0 for never."""
    threads: int = field(default_factory=lambda: max(4, os.cpu_count() or 1))
    """How many requests are computed at once."""
    max_pending: int = 1000
    """How many requests may be computed or wait; further ones get RESOURCE_EXHAUSTED."""
    max_message_bytes: int = DEFAULT_MAX_BYTES
    """Largest request."""
    max_batch_rows: int = 4096
    """Largest batch: it bounds the memory that one request can take."""
    allow_unknown_rank: bool = False
    """Whether to serve inputs whose rank the model does not tell, though TensorFlow ends the process on some wrong ones."""
    rest_api_port: int = 0
    """Where to answer over HTTP too; 0 for nowhere, -1 for any free port. Needs the extra `rest`."""
    rest_api_timeout_in_ms: int = 30_000
    """How long an answer over HTTP may take; 0 for as long as it takes."""
    rest_api_enable_cors_support: bool = False
    """Whether scripts of any web page may ask over HTTP."""
    enable_signature_method_name_check: bool = False
    """Whether Classify and Regress call only signatures of their method name, which TensorFlow 2 lets nobody write."""
    enable_serialization_as_tensor_content: bool = False
    """Whether numbers are answered in `tensor_content`, which is quicker, also to clients that do not ask for that."""
    saved_model_tags: str = "serve"
    """Tags of the graph to load, with commas between them."""
    prefer_tflite_model: bool = False
    """Whether a version that has a model.tflite beside its SavedModel is served by that."""
    num_tflite_pools: int = field(default_factory=lambda: os.cpu_count() or 1)
    """How many requests to a model.tflite are computed at once."""
    credentials: grpc.ServerCredentials | None = None
    """TLS, from `grpc.ssl_server_credentials`; None for plain text."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ServerError(f"port {self.port}: expected 0 (any free one) to 65535")
        if not -1 <= self.rest_api_port <= 65535:
            raise ServerError(
                f"rest_api_port {self.rest_api_port}: expected 0 (none), -1 (any free one), or 1 to 65535"
            )
        if self.rest_api_timeout_in_ms < 0:
            raise ServerError(f"rest_api_timeout_in_ms {self.rest_api_timeout_in_ms}: expected 0 (no limit) or more")
        for name in ("threads", "max_pending", "max_message_bytes", "max_batch_rows", "num_tflite_pools"):
            if getattr(self, name) < 1:
                raise ServerError(f"{name} {getattr(self, name)}: expected at least 1")
        if not self.poll_seconds >= 0:
            raise ServerError(f"poll_seconds {self.poll_seconds}: expected 0 (never) or more")
        if not self.tags():
            raise ServerError(f"saved_model_tags {self.saved_model_tags!r}: expected at least one, such as 'serve'")
        self.version_policy()

    def tags(self) -> frozenset[str]:
        """Return the tags of the graph to load."""
        return frozenset(tag for tag in self.saved_model_tags.split(",") if tag)

    def engine_by_files(self) -> EngineByFiles:
        """Return what loads versions."""
        return EngineByFiles(self.tags(), prefer_tflite=self.prefer_tflite_model, interpreters=self.num_tflite_pools)

    def models(self) -> Repository:
        """Return where the models are."""
        return Repository(Path(self.repository), self.model_name)

    def version_policy(self) -> VersionPolicy:
        """Return which versions are to be served."""
        return VersionPolicy.parse(self.versions)
