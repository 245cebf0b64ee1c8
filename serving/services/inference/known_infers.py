"""ModelInferRequests that are recognised by their bytes: their id and their numbers are read, and nothing else of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from serving.codec import STRING
from serving.known_requests import KnownRequest, KnownRequests, Numbers
from serving.protos import inference_pb2 as pb
from serving.query import Answer, Query
from serving.services.inference.tensors import InferSource
from serving.wire_format import LENGTH_DELIMITED, Span, UnreadableError, spans

_ID = pb.ModelInferRequest.ID_FIELD_NUMBER
_RAW = pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
_MOST_FIELDS = 64


@dataclass(frozen=True, eq=False)
class KnownInfer:
    """What was found out about a request."""

    request: KnownRequest
    classes: Mapping[str, int]
    """How many classes it wants, by output."""
    id_at: tuple[int, int] | None
    """Where its id lies in a message, if it has one."""

    def request_id(self, message: bytes) -> str:
        """Return the id of another request that differs from it in id and numbers alone. Raises UnicodeDecodeError."""
        return "" if self.id_at is None else message[slice(*self.id_at)].decode()


def learn_infer(
    known: KnownRequests[KnownInfer], message: bytes, query: Query, classes: Mapping[str, int], answer: Answer
) -> None:
    """Remember a request that was answered, where others may come that differ in id and numbers alone.

    Args:
        known: where.
        message: it, serialized.
        query: what it asks.
        classes: how many classes it wants, by output.
        answer: what it was answered.
    """
    if query.priority or query.queue_seconds is not None or not known.is_worth(message):
        return
    fields = _fields(message)
    ids = [span for span in fields if span.field == _ID]
    raw = [span for span in fields if span.field == _RAW]
    sources = dict(query.inputs) if isinstance(query.inputs, Mapping) else {}
    if len(ids) > 1 or len(raw) != len(sources):
        return
    found = [_numbers(name, source, span) for (name, source), span in zip(sources.items(), raw, strict=True)]
    numbers = tuple(each for each in found if each is not None)
    if not numbers or len(numbers) < len(found):
        return
    holes = sorted((span.start, span.end) for span in (*ids, *raw))
    at = (ids[0].start, ids[0].end) if ids else None
    known.learn_request(message, holes, KnownInfer(KnownRequest.of(answer, numbers), classes, at))


def _fields(message: bytes) -> list[Span]:
    """Return the fields of a message; none where they are many, or written as no library writes them."""
    found: list[Span] = []
    try:
        for span in spans(memoryview(message), 0, len(message)):
            if span.wire_type != LENGTH_DELIMITED or len(found) == _MOST_FIELDS:
                return []
            found.append(span)
    except UnreadableError:
        return []
    return found


def _numbers(name: str, source: object, span: Span) -> Numbers | None:
    """Return where the numbers of an input lie; None of texts, and of bools, whose bytes have to be looked at."""
    if not isinstance(source, InferSource) or source.raw is None or source.spec.dtype in (STRING, "bool"):
        return None
    dtype, count = np.dtype(source.spec.dtype).newbyteorder("<"), math.prod(source.shape)
    if not count or span.end - span.start != count * dtype.itemsize:
        return None
    return Numbers(name, dtype, source.shape, span.start, count)
