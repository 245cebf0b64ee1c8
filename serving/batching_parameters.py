"""How requests are gathered into batches: TensorFlow Serving's BatchingParameters, with its defaults.

Source: tensorflow_serving/servables/tensorflow/session_bundle_config.proto and tensorflow's shared_batch_scheduler.h.
"""

import itertools
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Self

from serving.cores import available_cores
from serving.protos import config_pb2 as pb
from serving.status import StatusError, invalid
from serving.text_proto import read_text_file

VERSION_FILE = "batching_params.pbtxt"
"""In a version's folder: that version's own parameters, for servers that are started with
`--enable_per_model_batching_parameters`."""


@dataclass(frozen=True)
class BatchingParameters:
    """How requests of one model become batches. Raises StatusError (INVALID_ARGUMENT) where they contradict one another."""

    max_batch_size: int = 1000
    """Rows of the largest request, and of the largest batch unless large requests are split."""
    batch_timeout_micros: int = 0
    """How long a request waits for others to fill its batch, once a thread is free."""
    num_batch_threads: int = field(default_factory=available_cores)
    """How many batches are computed at once, of all models together."""
    max_enqueued_batches: int = 10
    """How many batches of one signature may wait; further requests are refused."""
    allowed_batch_sizes: tuple[int, ...] = ()
    """Batches are padded to the next of these; none means that every size is computed as it is."""
    pad_variable_length_inputs: bool = False
    """Whether inputs of different lengths may share a batch, the shorter ones padded with zeros."""
    thread_pool_name: str = "batch_threads"
    enable_large_batch_splitting: bool = False
    """Whether a request larger than a batch is computed as several."""
    max_execution_batch_size: int | None = None
    """Rows of the largest batch where large requests are split; None: `max_batch_size`."""
    named: frozenset[str] = field(default=frozenset(), compare=False)
    """The fields that somebody chose; where that is not told, those that differ from their default."""

    def __post_init__(self) -> None:
        if not self.named:
            changed = (each.name for each in fields(self) if getattr(self, each.name) != each.default)
            object.__setattr__(self, "named", frozenset(changed) - {"num_batch_threads"})
        for name, smallest in _SMALLEST.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise invalid(f"batching parameters: {name} is {value}, expected at least {smallest}", field=name)
        largest = self.max_execution_batch_size
        if self.enable_large_batch_splitting and largest is not None and largest > self.max_batch_size:
            raise invalid(
                f"batching parameters: max_execution_batch_size is {largest}, expected at most max_batch_size, "
                f"{self.max_batch_size}",
                field="max_execution_batch_size",
            )
        self._check_allowed_sizes()

    def _check_allowed_sizes(self) -> None:
        sizes = self.allowed_batch_sizes
        if not sizes:
            return
        if sizes[0] < 1 or any(following <= size for size, following in itertools.pairwise(sizes)):
            raise invalid(
                f"allowed_batch_sizes entries must be in increasing order, from 1 on; they are {list(sizes)}",
                field="allowed_batch_sizes",
            )
        if sizes[-1] not in {self.max_batch_size, self.largest_batch}:
            raise invalid(
                f"Last entry in allowed_batch_sizes must match max_batch_size; last entry was {sizes[-1]}; "
                f"expected {self.max_batch_size}",
                field="allowed_batch_sizes",
            )

    @property
    def largest_batch(self) -> int:
        """Rows that are computed at once, at most."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size is not None:
            return self.max_execution_batch_size
        return self.max_batch_size

    @classmethod
    def from_proto(cls, proto: pb.BatchingParameters) -> Self:
        """Return what a message says; what it leaves out has TensorFlow Serving's default. Raises StatusError."""
        wrapped = {name: getattr(proto, name).value for name in _WRAPPED if proto.HasField(name)}
        repeated = ("allowed_batch_sizes",) if proto.allowed_batch_sizes else ()
        return cls(
            allowed_batch_sizes=tuple(proto.allowed_batch_sizes),
            pad_variable_length_inputs=proto.pad_variable_length_inputs,
            named=frozenset((*wrapped, *repeated)),
            **wrapped,
        )

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a `--batching_parameters_file`. Raises StatusError where it cannot be read, or contradicts itself."""
        proto = read_text_file(path, pb.BatchingParameters)
        try:
            return cls.from_proto(proto)
        except StatusError as error:
            raise invalid(f"{path}: {error}", field=error.field) from None

    @classmethod
    def of_version(cls, version: Path, common: "BatchingParameters") -> Self | None:
        """Return a version's own parameters, with the threads of `common`, which all models share; None where it has none.

        Raises:
            StatusError: its file cannot be read, or contradicts itself.
        """
        path = version / VERSION_FILE
        if not path.exists():
            return None
        own = cls.read(path)
        return replace(own, num_batch_threads=common.num_batch_threads, thread_pool_name=common.thread_pool_name)


_SMALLEST = {
    "max_batch_size": 1,
    "batch_timeout_micros": 0,
    "num_batch_threads": 1,
    "max_enqueued_batches": 1,
    "max_execution_batch_size": 1,
}
_WRAPPED = (
    "max_batch_size",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
    "thread_pool_name",
    "enable_large_batch_splitting",
    "max_execution_batch_size",
)
