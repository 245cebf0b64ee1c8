"""Serialized tf.Examples as an input: models parse them, the server only hands them on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from google.protobuf.message import DecodeError

from serving.codec import STRING, CodecError
from serving.protos.example_pb2 import Example
from serving.signature import TensorSpec
from serving.status import StatusError, invalid
from serving.texts import as_array, size_of

_OVERHEAD = 32  # what TensorFlow spends on a string beside its bytes


@dataclass(frozen=True)
class Examples:
    """A string tensor [N] of examples; see `serving.predictor.Source`."""

    rows: Sequence[bytes]
    context: bytes = b""
    """An example whose features all rows share. Where both have a feature, a row's own one counts."""

    @property
    def spec(self) -> TensorSpec:
        """See Source."""
        return TensorSpec(STRING, (len(self.rows),))

    @cached_property
    def nbytes(self) -> int:
        """See Source."""
        return size_of(self.rows) + len(self.rows) * (len(self.context) + _OVERHEAD)

    def read(self, max_bytes: int) -> np.ndarray:
        """See Source."""
        if self.nbytes > max_bytes:
            shared = f", of which {len(self.context)} in each are the context" if self.context else ""
            raise CodecError(
                f"{len(self.rows)} examples take {self.nbytes} bytes{shared}, the limit is {max_bytes}: send fewer at a time"
            )
        # Serialized messages of one type, put together, are the merged message.
        return as_array([self.context + row for row in self.rows] if self.context else self.rows)

    def fault(self) -> StatusError | None:
        """Return the error for the first row that is no tf.Example, which models do not tell apart; None if all are."""
        for index, row in enumerate((self.context, *self.rows)):
            try:
                Example.FromString(row)
            except DecodeError:
                which, field = (
                    ("the context", "context") if index == 0 else (f"example {index - 1}", f"examples[{index - 1}]")
                )
                return invalid(
                    f"Could not parse example input: {which}, of {len(row)} bytes, is not a serialized tf.Example",
                    field=f"input.{field}",
                )
        return None
