"""How many rows make a batch and how long they are gathered: this server's own rules, or TensorFlow Serving's parameters."""

from dataclasses import dataclass
from typing import Self

from serving.batching_parameters import BatchingParameters


@dataclass(frozen=True)
class BatchingRules:
    """What a batch may be. The default is this server's own way: start at once, gather what arrives meanwhile."""

    enabled: bool = True
    """Whether there are batches at all."""
    max_rows: int = 128
    """Of one batch, padding counted."""
    timeout: float = 0.0
    """Seconds that the first job of a batch waits for others while threads are idle."""
    adaptive: bool = True
    """Whether the size and the number of batches at once follow measured times."""
    max_request_rows: int | None = None
    """Of one request; None for any, which is then computed alone."""
    max_waiting_rows: int | None = None
    """Of one lane."""
    sizes: tuple[int, ...] = ()
    """Numbers of rows that batches are padded up to, ascending; none for any."""
    pad_lengths: bool = False
    """Whether other axes than the first may differ, and are padded to the longest."""
    split: bool = False
    """Whether a request of more than `max_rows` is computed in pieces."""
    size_is_given: bool = False
    """Whether a latency target leaves the size of batches alone."""
    queue_is_given: bool = False
    """Whether a latency target leaves alone how much may wait."""

    @classmethod
    def off(cls) -> Self:
        """Every request is computed alone."""
        return cls(enabled=False, max_rows=1, adaptive=False)

    @classmethod
    def of(cls, parameters: BatchingParameters) -> Self:
        """Return what TensorFlow Serving does with these parameters."""
        max_rows = parameters.max_batch_size
        if parameters.enable_large_batch_splitting and parameters.max_execution_batch_size is not None:
            max_rows = parameters.max_execution_batch_size
        return cls(
            max_rows=max_rows,
            timeout=parameters.batch_timeout_micros / 1e6,
            adaptive=False,
            max_request_rows=parameters.max_batch_size,
            max_waiting_rows=parameters.max_enqueued_batches * max_rows,
            sizes=parameters.allowed_batch_sizes,
            pad_lengths=parameters.pad_variable_length_inputs,
            split=parameters.enable_large_batch_splitting,
            size_is_given=not parameters.named.isdisjoint(_SIZE),
            queue_is_given="max_enqueued_batches" in parameters.named,
        )

    def padded(self, rows: int) -> int:
        """Return how many rows are computed for so many: the next of `sizes`, or just as many where none is as large."""
        return next((size for size in self.sizes if size >= rows), rows)

    def piece_rows(self, rows: int) -> int:
        """Return how many rows of a request of so many one call is given."""
        return min(rows, self.max_rows) if self.split else rows

    def changes(self, rows: int) -> bool:
        """Tell whether a single request of so many rows is padded or taken apart."""
        return bool(self.sizes and self.padded(rows) != rows) or (self.split and rows > self.max_rows)


_SIZE = frozenset({"max_batch_size", "max_execution_batch_size", "allowed_batch_sizes"})
"""Parameters that say how large a batch is."""
