"""TensorFlow Serving's batching parameters (tensorflow_serving/config/session_bundle_config.proto)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BatchingParameters:
    """How requests are gathered into batches, under TensorFlow Serving's names and with its defaults."""

    max_batch_size: int = 1000
    """Rows of one request at most, and of a batch unless `max_execution_batch_size` says less."""
    batch_timeout_micros: int = 0
    """How long to wait for a batch to fill up."""
    num_batch_threads: int | None = None
    """Batches computed at once; None for as many as the server has threads."""
    max_enqueued_batches: int = 10
    """Batches of one signature that may wait."""
    allowed_batch_sizes: tuple[int, ...] = ()
    """Sizes that batches are padded up to, ascending; none for any size."""
    pad_variable_length_inputs: bool = False
    """Whether inputs of different lengths are padded to the longest of a batch, each with its own first element."""
    enable_large_batch_splitting: bool = False
    """Whether a request of more than `max_execution_batch_size` rows is computed in pieces."""
    max_execution_batch_size: int | None = None
    """Rows of one batch at most, with `enable_large_batch_splitting`; None for `max_batch_size`."""
