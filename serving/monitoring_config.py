"""Where Prometheus finds a server's metrics: TensorFlow Serving's MonitoringConfig.

Source: tensorflow_serving/config/monitoring_config.proto.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serving.protos import config_pb2 as pb
from serving.status import invalid
from serving.text_proto import read_text_file

PROMETHEUS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True)
class MonitoringConfig:
    """What a `--monitoring_config_file` says. Raises StatusError (INVALID_ARGUMENT) on a path that is none."""

    prometheus: bool = False
    """Whether there is a page of metrics at `path`, on the HTTP port."""
    path: str = PROMETHEUS_PATH

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or any(character in self.path for character in "?#\0 "):
            raise invalid(
                f"prometheus_config.path is {self.path!r}: expected a path such as {PROMETHEUS_PATH}",
                field="prometheus_config.path",
            )

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the file. Raises StatusError where it cannot be read."""
        proto = read_text_file(path, pb.MonitoringConfig).prometheus_config
        return cls(proto.enable, proto.path or PROMETHEUS_PATH)
